import { z } from "zod";
import type { Store } from "../../../store/store.ts";
import type { Tagging } from "../../../tagging/policies.ts";
import type { RetentionLine } from "../../../tagging/retention.ts";
import { applyRetention, planRetentionOf } from "../../upkeep/retention.ts";
import { type Operation, operation } from "../operations.ts";
import { repositoryName } from "../schemas.ts";

const response = z.object({
  lines: z.array(
    z.object({
      tag: z.string().optional().describe("Absent for a manifest without one"),
      digest: z.string(),
      action: z.enum(["keep", "remove"]),
      reason: z.string(),
    }),
  ),
});

const toBody = (lines: readonly RetentionLine[]): z.input<typeof response> => ({
  lines: lines.map((line) => ({ ...line })),
});

/** What a repository keeps: a plan first, an action after. */
export function createRetentionOperations(store: Store, tagging: Tagging): readonly Operation[] {
  return [
    operation({
      method: "GET",
      path: "/tags/retention",
      summary:
        "What retention would keep of a repository and what it would remove now, with the reason for each",
      query: z.strictObject({ repository: repositoryName }),
      response,
      need: ({ query: { repository } }) => ({ kind: "repository", repository, action: "pull" }),
      run: async ({ query: { repository } }) =>
        toBody(await planRetentionOf(store, tagging, repository, new Date())),
    }),
    operation({
      method: "POST",
      path: "/tags/retention",
      summary: "Removes from a repository what retention does not keep, and says what that was",
      body: z.strictObject({ repository: repositoryName }),
      response,
      need: ({ body: { repository } }) => ({ kind: "repository", repository, action: "delete" }),
      run: async ({ body: { repository } }, { actor }) =>
        toBody(await applyRetention(store, tagging, repository, actor)),
    }),
  ];
}
