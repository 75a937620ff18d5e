import { z } from "zod";

const holds = z.array(z.object({ holder: z.string(), until: z.string() }));
const collected = { manifests: z.number(), links: z.number(), blobs: z.number(), bytes: z.number() };

/** One run. */
export const runAnswer = z.object({
  id: z.number(),
  actor: z.string(),
  graceSeconds: z.number(),
  startedAt: z.string(),
  endedAt: z.string().optional(),
  outcome: z.string().optional(),
  ...collected,
});
export type RunAnswer = z.output<typeof runAnswer>;

/** What waits. */
export const statusAnswer = z.object({
  graceSeconds: z.number(),
  removedManifests: z.number(),
  oldestRemoval: z.string().optional(),
  reviews: z.number(),
  oldestReview: z.string().optional(),
  mostCounted: z.number(),
  files: z.number(),
  fileBytes: z.number(),
  holds,
  everySeconds: z.number().optional(),
  total: z.object(collected),
  runs: z.array(runAnswer),
});
export type StatusAnswer = z.output<typeof statusAnswer>;

/** What a run would do. */
export const planAnswer = z.object({
  manifests: z.number(),
  blobs: z.number(),
  bytes: z.number(),
  first: z.array(z.object({ digest: z.string(), size: z.number() })),
});
export type PlanAnswer = z.output<typeof planAnswer>;

/** What keeps something. */
export const whyAnswer = z.object({
  objects: z.array(
    z.object({
      digest: z.string(),
      kind: z.enum(["manifest", "blob"]),
      state: z.enum(["kept", "goes", "unknown"]),
      at: z.string().optional(),
      size: z.number().optional(),
      isLost: z.boolean().optional(),
      reasons: z.array(z.object({ repository: z.string(), why: z.string(), until: z.string().optional() })),
    }),
  ),
  holds,
  everySeconds: z.number().optional(),
});
export type WhyAnswer = z.output<typeof whyAnswer>;
