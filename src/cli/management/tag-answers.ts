import { z } from "zod";

// What the operations of tags answer, as far as commands print it; a newer Berth may say more.

const planLine = z.object({
  tag: z.string(),
  action: z.string(),
  from: z.string().optional(),
  to: z.string().optional(),
  cause: z.string(),
  reason: z.string(),
});
export type PlanLine = z.infer<typeof planLine>;

export const outcomeAnswer = z.object({
  lines: z.array(planLine),
  notes: z.array(z.string()),
  change: z.number().optional(),
});
export type Outcome = z.infer<typeof outcomeAnswer>;

export const deletedAnswer = z.object({
  manifests: z.array(z.object({ digest: z.string(), deletedAt: z.string(), actor: z.string() })),
  next: z.string().optional(),
});
export type DeletedManifest = z.infer<typeof deletedAnswer>["manifests"][number];

export const changeAnswer = z.object({
  id: z.number(),
  at: z.string(),
  repository: z.string(),
  actor: z.string(),
  kind: z.string(),
  manifest: z.string().optional(),
  moves: z.array(planLine),
});
export type Change = z.infer<typeof changeAnswer>;

const periodAnswer = z.object({
  digest: z.string(),
  from: z.string(),
  until: z.string().optional(),
  cause: z.string(),
  reason: z.string().optional(),
  actor: z.string().optional(),
  ended: z.object({ cause: z.string(), reason: z.string(), actor: z.string() }).optional(),
});
export type Period = z.infer<typeof periodAnswer>;

export const logAnswer = z.object({
  changes: z.array(changeAnswer).default([]),
  periods: z.array(periodAnswer).default([]),
  next: z.number().optional(),
});

const listedTag = z.object({
  tag: z.string(),
  digest: z.string(),
  since: z.string(),
  cause: z.string(),
  size: z.number(),
  platforms: z.array(z.string()),
  kind: z.string(),
  immutable: z.boolean(),
});
export type ListedTag = z.infer<typeof listedTag>;

export const tagsAnswer = z.object({ tags: z.array(listedTag), next: z.string().optional() });

export const resolvedAnswer = z.object({ digest: z.string(), available: z.boolean() });

export const retentionAnswer = z.object({
  lines: z.array(
    z.object({
      tag: z.string().optional(),
      digest: z.string(),
      action: z.string(),
      reason: z.string(),
    }),
  ),
});
export type RetentionLine = z.infer<typeof retentionAnswer>["lines"][number];

export const rulesAnswer = z.object({
  version: z.number(),
  rules: z.array(
    z.object({ source: z.string(), number: z.number(), rule: z.record(z.string(), z.unknown()) }),
  ),
  notes: z.array(z.string()),
});
