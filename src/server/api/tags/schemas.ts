import { z } from "zod";
import type { Digest } from "../../../oci/digests.ts";
import { type TagPlanLine, tagEventKinds } from "../../../store/metadata/tag-policy.ts";
import type { Change, TagOutcome } from "../../../store/metadata/tags.ts";

const cause = z
  .enum([...tagEventKinds, "rule"])
  .describe("Who did it: somebody's action, or a rule that followed");

const time = z.iso.datetime();

/** What happens to one tag, or why nothing does. */
const planLine = z.object({
  tag: z.string(),
  action: z.enum(["create", "move", "remove", "keep", "refuse"]),
  from: z.string().optional().describe("The digest that it points at"),
  to: z
    .string()
    .optional()
    .describe("The digest that it will point at; absent when it is that of a new manifest"),
  cause,
  reason: z.string(),
});

/** What an event leads to, or led to. */
export const outcome = z.object({
  lines: z.array(planLine),
  notes: z.array(z.string()).describe("What the person who did it should know"),
  change: z.number().int().optional().describe("The change that was made, absent when nothing was"),
});

/** One transaction that changed tags or manifests of a repository. */
export const change = z.object({
  id: z.number().int(),
  at: time,
  repository: z.string(),
  actor: z.string(),
  kind: z.enum(tagEventKinds),
  manifest: z.string().optional().describe("The manifest that was pushed, deleted or brought back"),
  moves: z.array(planLine),
});

/** Where a tag pointed for a time. */
export const period = z.object({
  digest: z.string(),
  from: time,
  until: time.optional().describe("Absent while it points there"),
  cause,
  reason: z.string().optional(),
  actor: z.string().optional(),
  change: z.number().int().optional(),
  ended: z.object({ cause, reason: z.string(), actor: z.string(), change: z.number().int() }).optional(),
});

/** A change as JSON. */
export function toChangeBody(it: Change): z.input<typeof change> {
  return { ...it, at: it.at.toISOString(), moves: [...it.moves] };
}

/** Stands for a manifest that is not there yet, when only a plan is asked for. */
export const newManifest = `sha256:${"0".repeat(64)}` as Digest; // safe: it is one

/** An outcome as JSON, in which a new manifest has no digest. */
export function toOutcomeBody({ lines, notes, change: id }: TagOutcome): z.input<typeof outcome> {
  return {
    lines: lines.map(withoutNew),
    notes: [...notes],
    ...(id === undefined ? {} : { change: id }),
  };
}

function withoutNew({ to, ...line }: TagPlanLine): z.input<typeof planLine> {
  return to === undefined || to === newManifest ? line : { ...line, to };
}
