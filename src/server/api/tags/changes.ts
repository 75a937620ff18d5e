import { z } from "zod";
import type { Action } from "../../../access/roles.ts";
import { isDigest, parseDigest } from "../../../oci/digests.ts";
import { parseTag, type RepositoryName } from "../../../oci/names.ts";
import type { Registry } from "../../../registry/registry.ts";
import type { TagRequest } from "../../../store/metadata/tags.ts";
import type { Store } from "../../../store/store.ts";
import { type Call, type Operation, operation } from "../operations.ts";
import { digestText, repositoryName, tagName } from "../schemas.ts";
import { newManifest, outcome, toOutcomeBody } from "./schemas.ts";

const common = {
  repository: repositoryName,
  dryRun: z
    .boolean()
    .default(false)
    .describe("Only says what would happen; a refusal is then a line of the plan"),
};
type Common = { readonly repository: RepositoryName; readonly dryRun: boolean };

const needs =
  (action: Action) =>
  ({ body: { repository } }: { readonly body: { readonly repository: RepositoryName } }) =>
    ({ kind: "repository", repository, action }) as const;

/** What people do to tags. Each is one transaction, or a plan of it. */
export function createTagChangeOperations(store: Store): readonly Operation[] {
  const change: Change = async ({ repository, dryRun }, request, { actor }) =>
    toOutcomeBody(await store.metadata.changeTags(repository, request, { actor, dryRun }));
  return [...createMoves(change, store.registry), ...createReversals(change)];
}

/** Carries a request out, or plans it. */
type Change = (common: Common, request: TagRequest, call: Call) => Promise<z.input<typeof outcome>>;

function createMoves(change: Change, registry: Registry): readonly Operation[] {
  return [
    operation({
      method: "POST",
      path: "/tags/plan",
      summary:
        "Which tags would move, from where to where, and which would not and why, if these were pushed",
      body: z.strictObject({
        repository: repositoryName,
        tags: z.array(tagName).min(1).max(100),
        digest: digestText.optional().describe("Of the manifest; a new one if absent"),
      }),
      response: outcome,
      need: needs("pull"),
      run: ({ body: { repository, tags, digest = newManifest } }, call) =>
        change({ repository, dryRun: true }, { kind: "push", tags, digest }, call),
    }),
    operation({
      method: "POST",
      path: "/tags/move",
      summary: "Points a tag at another manifest of its repository",
      body: z.strictObject({
        ...common,
        tag: tagName,
        to: z.string().describe("A digest, or a tag that points at it"),
      }),
      response: outcome,
      need: needs("overwrite"),
      async run({ body }, call) {
        const to = isDigest(body.to)
          ? parseDigest(body.to)
          : (await registry.resolveTag(body.repository, parseTag(body.to))).digest;
        return change(body, { kind: "move", tag: body.tag, to }, call);
      },
    }),
    operation({
      method: "POST",
      path: "/tags/delete",
      summary: "Deletes tags, all or none; their manifests stay",
      body: z.strictObject({ ...common, tags: z.array(tagName).min(1).max(500) }),
      response: outcome,
      need: needs("delete"),
      run: ({ body }, call) => change(body, { kind: "delete", tags: body.tags }, call),
    }),
  ];
}

function createReversals(change: Change): readonly Operation[] {
  return [
    operation({
      method: "POST",
      path: "/tags/rollback",
      summary: "Takes back the last move of a tag",
      body: z.strictObject({ ...common, tag: tagName }),
      response: outcome,
      need: needs("overwrite"),
      run: ({ body }, call) => change(body, { kind: "rollback", tag: body.tag }, call),
    }),
    operation({
      method: "POST",
      path: "/tags/rollback-release",
      summary: "Takes back all that one release moved, as one step",
      body: z.strictObject({
        ...common,
        tag: tagName.optional().describe("A tag of the release; absent, the last release of the repository"),
      }),
      response: outcome,
      need: needs("delete"),
      run: ({ body }, call) =>
        change(
          body,
          { kind: "rollback-release", ...(body.tag === undefined ? {} : { tag: body.tag }) },
          call,
        ),
    }),
    operation({
      method: "POST",
      path: "/tags/undelete",
      summary: "Brings back a tag that was removed, with its manifest, as long as its content is there",
      body: z.strictObject({ ...common, tag: tagName }),
      response: outcome,
      need: needs("push"),
      run: ({ body }, call) => change(body, { kind: "undelete", tag: body.tag }, call),
    }),
    operation({
      method: "POST",
      path: "/manifests/undelete",
      summary: "Brings back a manifest that was deleted, with the tags that were deleted with it",
      body: z.strictObject({ ...common, digest: digestText }),
      response: outcome,
      need: needs("push"),
      run: ({ body }, call) => change(body, { kind: "undelete-manifest", digest: body.digest }, call),
    }),
  ];
}
