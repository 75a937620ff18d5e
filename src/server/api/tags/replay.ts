import { z } from "zod";
import type { Digest } from "../../../oci/digests.ts";
import type { Tag } from "../../../oci/names.ts";
import type { Metadata } from "../../../store/metadata/metadata.ts";
import { tagEventKinds } from "../../../store/metadata/tag-policy.ts";
import { type Operation, operation } from "../operations.ts";
import { digestText, repositoryName, tagName } from "../schemas.ts";

const pastMove = z.strictObject({
  tag: tagName,
  action: z.enum(["create", "move", "remove"]),
  from: digestText.optional(),
  to: digestText.optional(),
  cause: z.enum([...tagEventKinds, "rule"]),
  reason: z.string().max(1000),
});

const pastChange = z.strictObject({
  at: z.iso.datetime(),
  actor: z.string().min(1).max(255),
  kind: z.enum(tagEventKinds),
  manifest: digestText.optional(),
  moves: z.array(pastMove).max(1000),
});

/** The history of tags that was written elsewhere. */
export function createReplayOperation(metadata: Metadata): Operation {
  return operation({
    method: "POST",
    path: "/tags/replay",
    summary:
      "Writes what happened to a repository's tags in another registry into their history, with its times and actors, and " +
      "moves them there; its manifests are pushed before. Rules are not asked, and what is there already is passed over",
    body: z.strictObject({
      repository: repositoryName,
      changes: z.array(pastChange).max(500).describe("The oldest first"),
    }),
    response: z.object({
      applied: z.number().int(),
      conflicts: z
        .array(z.object({ tag: z.string(), reason: z.string() }))
        .describe("Tags that are elsewhere than a change found them; they stay"),
    }),
    // It says of others what they did.
    need: () => ({ kind: "registry", action: "write" }),
    async run({ body: { repository, changes } }) {
      const past = changes.map(({ at, manifest, moves, ...rest }) => ({
        ...rest,
        at: new Date(at),
        ...(manifest === undefined ? {} : { manifest }),
        moves: moves.map(withoutUndefined),
      }));
      const { applied, conflicts } = await metadata.replayChanges(repository, past);
      return { applied, conflicts: [...conflicts] };
    },
  });
}

type Move = z.output<typeof pastMove>;

function withoutUndefined({ tag, action, from, to, cause, reason }: Move) {
  const ends: { from?: Digest; to?: Digest } = { ...(from ? { from } : {}), ...(to ? { to } : {}) };
  return { tag: tag as Tag, action, ...ends, cause, reason };
}
