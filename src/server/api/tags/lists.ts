import { z } from "zod";
import { RegistryError } from "../../../oci/errors.ts";
import type { RepositoryName } from "../../../oci/names.ts";
import type { TagPeriod } from "../../../store/metadata/tags.ts";
import type { Store } from "../../../store/store.ts";
import type { Tagging } from "../../../tagging/policies.ts";
import { type Operation, operation } from "../operations.ts";
import { pageQuery, repositoryName, tagName } from "../schemas.ts";
import { detailsOf } from "./details.ts";
import { change, period, toChangeBody } from "./schemas.ts";

const pull = ({ query: { repository } }: { readonly query: { readonly repository: RepositoryName } }) =>
  ({ kind: "repository", repository, action: "pull" }) as const;

/** Tags as they are and were. */
export function createTagListOperations(store: Store, tagging: Tagging): readonly Operation[] {
  return [createListing(store, tagging), createLog(store), createResolution(store), createDeletedList(store)];
}

const listedTag = z.object({
  tag: z.string(),
  digest: z.string(),
  mediaType: z.string(),
  since: z.iso.datetime(),
  cause: z.string(),
  size: z.number().int().describe("Bytes of all it needs"),
  platforms: z.array(z.string()),
  kind: z.enum(["version", "float", "tag"]).describe("What the repository's rule takes it for"),
  immutable: z.boolean(),
});

function createListing(store: Store, tagging: Tagging): Operation {
  const { metadata } = store;
  return operation({
    method: "GET",
    path: "/tags",
    summary: "Tags of a repository with what they point at, in the order of their names",
    query: z.strictObject({ repository: repositoryName, ...pageQuery }),
    response: z.object({
      tags: z.array(listedTag),
      next: z.string().optional(),
    }),
    need: pull,
    async run({ query: { repository, n, last } }) {
      const reading = tagging.readingOf(repository, await metadata.getTagRules());
      const page = await metadata.listTagDetails(repository, {
        limit: n,
        ...(last === undefined ? {} : { after: last }),
      });
      const tags = page.items.map(async ({ tag, since, cause, manifest }) => ({
        ...{ tag, digest: manifest.digest, mediaType: manifest.mediaType, since: since.toISOString(), cause },
        ...(await detailsOf(store, repository, manifest).then((it) => ({
          ...it,
          platforms: [...it.platforms],
        }))),
        kind: reading?.version(tag)
          ? ("version" as const)
          : reading?.ownsFloat(tag)
            ? ("float" as const)
            : ("tag" as const),
        immutable: reading?.isImmutable(tag) ?? false,
      }));
      return { tags: await Promise.all(tags), ...(page.next === undefined ? {} : { next: page.next }) };
    },
  });
}

function createDeletedList({ metadata }: Store): Operation {
  return operation({
    method: "GET",
    path: "/manifests/deleted",
    summary: "Deleted manifests of a repository that can be brought back, in the order of their digests",
    query: z.strictObject({ repository: repositoryName, ...pageQuery }),
    response: z.object({
      manifests: z.array(z.object({ digest: z.string(), deletedAt: z.iso.datetime(), actor: z.string() })),
      next: z.string().optional(),
    }),
    need: ({ query: { repository } }) => ({ kind: "repository", repository, action: "push" }),
    async run({ query: { repository, n, last } }) {
      const page = { limit: n, ...(last === undefined ? {} : { after: last }) };
      const { items, next } = await metadata.listDeletedManifests(repository, page);
      const manifests = items.map(({ digest, at, actor }) => ({
        digest,
        deletedAt: at.toISOString(),
        actor,
      }));
      return { manifests, ...(next === undefined ? {} : { next }) };
    },
  });
}

function createLog({ metadata }: Store): Operation {
  return operation({
    method: "GET",
    path: "/tags/log",
    summary: "What happened to a repository's tags, or where one tag pointed; the latest first",
    query: z.strictObject({
      repository: repositoryName,
      tag: tagName.optional(),
      n: pageQuery.n,
      last: z.coerce.number().int().min(1).optional().describe("Begins behind: the next of the page before"),
    }),
    response: z.object({
      changes: z.array(change).optional().describe("When no tag was given"),
      periods: z.array(period).optional().describe("When a tag was given"),
      next: z.number().int().optional(),
    }),
    need: pull,
    async run({ query: { repository, tag, n, last } }) {
      if (!(await metadata.hasRepository(repository))) {
        throw new RegistryError("NAME_UNKNOWN", `there is no repository ${repository}`);
      }
      if (tag === undefined) {
        const query = {
          repository,
          limit: n,
          newestFirst: true,
          ...(last === undefined ? {} : { after: last }),
        };
        const changes = await metadata.listChanges(query);
        const end = changes[changes.length - 1];
        return {
          changes: changes.map(toChangeBody),
          ...(changes.length === n && end ? { next: end.id } : {}),
        };
      }
      const skip = last ?? 0;
      const periods = await metadata.listTagPeriods(repository, tag, { skip, limit: n });
      if (periods.length === 0 && skip === 0) {
        throw new RegistryError("MANIFEST_UNKNOWN", `repository ${repository} never had a tag ${tag}`);
      }
      return {
        periods: periods.map((each) => toPeriodBody(tag, each)),
        ...(periods.length === n ? { next: skip + n } : {}),
      };
    },
  });
}

function createResolution({ metadata }: Store): Operation {
  return operation({
    method: "GET",
    path: "/tags/resolve",
    summary: "The digest that a tag pointed at, at a time; now if none is given",
    query: z.strictObject({
      repository: repositoryName,
      tag: tagName,
      at: z.iso.datetime({ offset: true }).optional().describe("Such as 2026-11-25T09:00:00Z"),
    }),
    response: z.object({
      digest: z.string(),
      available: z.boolean().describe("Whether the manifest is still there to be pulled"),
    }),
    need: pull,
    async run({ query: { repository, tag, at } }) {
      const time = at === undefined ? new Date() : new Date(at);
      const digest = await metadata.tagAt(repository, tag, time);
      if (digest === undefined) {
        throw new RegistryError(
          "MANIFEST_UNKNOWN",
          `${repository} had no tag ${tag} at ${time.toISOString()}: the log of the tag says when it did`,
        );
      }
      return { digest, available: (await metadata.getManifest(repository, digest)) !== undefined };
    },
  });
}

function toPeriodBody(tag: string, it: TagPeriod): z.input<typeof period> {
  const began = it.change?.moves.find((move) => move.tag === tag);
  const end = it.ended?.moves.find((move) => move.tag === tag);
  return {
    ...{ digest: it.digest, from: it.from.toISOString(), cause: it.cause },
    ...(it.until ? { until: it.until.toISOString() } : {}),
    ...(it.change ? { actor: it.change.actor, change: it.change.id } : {}),
    ...(began ? { reason: began.reason } : {}),
    ...(it.ended && end
      ? { ended: { cause: end.cause, reason: end.reason, actor: it.ended.actor, change: it.ended.id } }
      : {}),
  };
}
