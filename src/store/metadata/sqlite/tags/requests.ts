import { RegistryError } from "../../../../oci/errors.ts";
import type { RepositoryName, Tag } from "../../../../oci/names.ts";
import { planLine, type TagChange, type TagEvent, type TagPlanLine } from "../../tag-policy.ts";
import type { Change, TagMetadata, TagRequest } from "../../tags.ts";
import type { SqliteDatabase } from "../database.ts";
import type { ManifestRows } from "../manifest-rows.ts";
import type { RepositoryRows } from "../repositories.ts";
import type { TagChanger, TagWork } from "./changer.ts";
import type { TagRow } from "./rows.ts";

/** A request made into an event. */
type Prepared = Pick<TagWork, "event" | "restores" | "skipped" | "manifest">;

/** Where a request is made into an event. */
interface Place {
  readonly repositoryId: number;
  readonly repository: RepositoryName;
  readonly now: number;
  readonly dryRun: boolean;
}

/** How many changes are looked through for the last release. */
const maxSearched = 2000;
const searchPage = 100;

/** Changes of tags that people ask for. */
export function createTagRequests(
  { write }: SqliteDatabase,
  repositories: RepositoryRows,
  manifests: ManifestRows,
  changer: TagChanger,
): Pick<TagMetadata, "changeTags" | "highestOf" | "indexVersions"> {
  const prepare = createPreparer(manifests, changer);
  return {
    changeTags: (repository, request, { actor, dryRun = false }) =>
      write(() => {
        const now = changer.changes.now();
        const isPush = request.kind === "push"; // planned for a repository that nobody pushed to, too
        const repositoryId = isPush ? repositories.find(repository) : repositories.require(repository);
        if (repositoryId === undefined) return planForNothing(repository, changer, prepare, request, now);
        const prepared = prepare({ repositoryId, repository, now, dryRun }, request);
        return changer.run({ repositoryId, repository, actor, now, dryRun, ...prepared });
      }),
    async indexVersions(repository) {
      const repositoryId = repositories.find(repository);
      const { versions } = changer.policyOf(repository);
      if (repositoryId === undefined || changer.lines.isUpToDate(repositoryId, versions)) return true;
      return write(() => changer.lines.advance(repositoryId, versions));
    },
    async highestOf(repository, line) {
      const repositoryId = repositories.find(repository);
      const { versions } = changer.policyOf(repository);
      if (repositoryId === undefined || !versions) return undefined;
      const { lines } = changer;
      if (!lines.isUpToDate(repositoryId, versions)) {
        await write(() => lines.bringUpToDate(repositoryId, versions));
      }
      return lines.highest(repositoryId, versions, line, new Set())?.tag;
    },
  };
}

function planForNothing(
  repository: RepositoryName,
  changer: TagChanger,
  prepare: ReturnType<typeof createPreparer>,
  request: TagRequest,
  now: number,
) {
  const { event } = prepare({ repositoryId: 0, repository, now, dryRun: true }, request);
  return changer.policyOf(repository).plan(event, { tags: new Map(), pasts: new Map(), heads: new Map() });
}

function createPreparer(manifests: ManifestRows, { rows, changes, policyOf }: TagChanger) {
  const requireRow = ({ repositoryId, repository }: Place, tag: Tag): TagRow => {
    const row = rows.find(repositoryId, tag);
    if (row) return row;
    const hint = rows.last(repositoryId, tag) ? ": it was removed, and undelete brings it back" : "";
    throw new RegistryError("MANIFEST_UNKNOWN", `repository ${repository} has no tag ${tag}${hint}`);
  };

  const rollback = (place: Place, tag: Tag): Prepared => {
    const { repositoryId, repository } = place;
    const earlier = rows.predecessor(repositoryId, tag, requireRow(place, tag));
    if (!earlier) {
      throw new RegistryError(
        "REQUEST_INVALID",
        `${repository}:${tag} cannot be rolled back: it pointed nowhere before; take back the release that made it, or delete the tag`,
      );
    }
    if (!manifests.has(repositoryId, earlier.digest)) {
      throw new RegistryError(
        "MANIFEST_UNKNOWN",
        `${repository}:${tag} cannot go back to ${earlier.digest}, which was deleted: undelete that manifest first`,
      );
    }
    return {
      event: eventOf("rollback", [{ tag, to: earlier.digest }]),
      restores: new Map([[tag, earlier]]),
    };
  };

  /** The change that made a tag what it is; or the last push that moved tags and of which something still stands. */
  const findRelease = (place: Place, tag: Tag | undefined): Change => {
    const { repositoryId, repository } = place;
    if (tag !== undefined) {
      const change = changes.find(requireRow(place, tag).opened_in);
      if (change) return change;
      throw new RegistryError(
        "REQUEST_INVALID",
        `nothing is known of the push that moved ${repository}:${tag}`,
      );
    }
    const { versions } = policyOf(repository);
    // What was brought back is there again as if it were pushed, and can be taken back again.
    const isPush = ({ kind, moves }: Change) => (kind === "push" || kind === "undelete") && moves.length > 0;
    const hasVersion = ({ moves }: Change) => moves.some((move) => versions?.place(move.tag) !== undefined);
    const stands = ({ id, moves }: Change) =>
      moves.some((move) => rows.find(repositoryId, move.tag)?.opened_in === id);
    let other: Change | undefined;
    let before = Number.MAX_SAFE_INTEGER;
    for (let searched = 0; searched < maxSearched; searched += searchPage) {
      const page = changes.backwards(repositoryId, before, searchPage);
      const pushes = page.filter((change) => isPush(change) && stands(change));
      const release = pushes.find((change) => !versions || hasVersion(change));
      if (release) return release;
      other ??= pushes[0];
      before = page[page.length - 1]?.id ?? 0;
    }
    if (other) return other;
    throw new RegistryError("REQUEST_INVALID", `${repository} has no release that could be taken back`);
  };

  const rollbackRelease = (place: Place, tag: Tag | undefined): Prepared => {
    const { repositoryId, repository } = place;
    const release = findRelease(place, tag);
    const wanted: TagChange[] = [];
    const restores = new Map<Tag, TagRow>();
    const skipped: TagPlanLine[] = [];
    for (const move of release.moves) {
      const row = rows.find(repositoryId, move.tag);
      if (row?.opened_in !== release.id) {
        skipped.push(planLine(move.tag, row?.digest, row?.digest, row?.cause ?? "rollback", "changed since"));
        continue;
      }
      const earlier = rows.predecessor(repositoryId, move.tag, row);
      const isThere = earlier !== undefined && manifests.has(repositoryId, earlier.digest);
      if (isThere) restores.set(move.tag, earlier);
      wanted.push({
        tag: move.tag,
        ...(isThere ? { to: earlier.digest, was: earlier.cause } : { to: undefined }),
      });
    }
    if (wanted.length === 0) {
      throw new RegistryError(
        "REQUEST_INVALID",
        `nothing of that release of ${repository} can be taken back: its tags changed since`,
      );
    }
    return { event: { kind: "rollback", scope: "release", changes: wanted }, restores, skipped };
  };

  const undelete = (place: Place, tag: Tag): Prepared => {
    const { repositoryId, repository, now, dryRun } = place;
    const last = rows.last(repositoryId, tag);
    if (!last) throw new RegistryError("MANIFEST_UNKNOWN", `repository ${repository} never had a tag ${tag}`);
    if (last.closed_at === null) {
      throw new RegistryError("REQUEST_INVALID", `${repository}:${tag} is there: nothing to bring back`);
    }
    const event = eventOf("undelete", [{ tag, to: last.digest }]);
    const restores = new Map([[tag, last]]);
    if (manifests.has(repositoryId, last.digest)) return { event, restores };
    if (!dryRun) manifests.restore(repositoryId, repository, last.digest, now);
    return { event, restores, manifest: last.digest };
  };

  const undeleteManifest = (
    place: Place,
    { digest }: TagRequest & { kind: "undelete-manifest" },
  ): Prepared => {
    const { repositoryId, repository, now, dryRun } = place;
    if (manifests.has(repositoryId, digest)) {
      throw new RegistryError("REQUEST_INVALID", `${repository}@${digest} is there: nothing to bring back`);
    }
    const removed = manifests.findRemoved(repositoryId, digest);
    if (!removed) {
      throw new RegistryError("MANIFEST_UNKNOWN", `nothing is kept of ${repository}@${digest}`);
    }
    const moves = changes.find(removed.removed_in)?.moves ?? [];
    if (!dryRun) manifests.restore(repositoryId, repository, digest, now);
    const gone = moves.filter(({ tag, action }) => action === "remove" && !rows.find(repositoryId, tag));
    return {
      event: eventOf(
        "undelete",
        gone.map(({ tag }) => ({ tag, to: digest })),
      ),
      manifest: digest,
    };
  };

  return (place: Place, request: TagRequest): Prepared => {
    const { repositoryId, repository } = place;
    switch (request.kind) {
      case "push":
        return { event: eventOf("push", toAll(request.tags, request.digest)) };
      case "move":
        if (!manifests.has(repositoryId, request.to)) {
          throw new RegistryError(
            "MANIFEST_UNKNOWN",
            `repository ${repository} has no manifest ${request.to}`,
          );
        }
        return { event: eventOf("move", [{ tag: request.tag, to: request.to }]) };
      case "delete":
        for (const tag of request.tags) requireRow(place, tag);
        return { event: eventOf("delete", toAll(request.tags, undefined)) };
      case "rollback":
        return rollback(place, request.tag);
      case "rollback-release":
        return rollbackRelease(place, request.tag);
      case "undelete":
        return undelete(place, request.tag);
      case "undelete-manifest":
        return undeleteManifest(place, request);
      case "retention": {
        const still = request.tags.filter(({ tag, at }) => rows.find(repositoryId, tag)?.digest === at);
        const names = still.map(({ tag }) => tag);
        return { event: eventOf("retention", toAll(names, undefined)) };
      }
    }
  };
}

function eventOf(kind: TagEvent["kind"], changes: readonly TagChange[]): TagEvent {
  return { kind, scope: "tags", changes };
}

function toAll(tags: readonly Tag[], to: TagChange["to"]): TagChange[] {
  return [...new Set(tags)].map((tag) => ({ tag, to }));
}
