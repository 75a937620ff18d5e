import type { RepositoryName } from "../../../../oci/names.ts";
import type { TagMetadata, TagOutcome, TagRequest } from "../../tags.ts";
import type { SqliteDatabase } from "../database.ts";
import type { ManifestRows } from "../manifest-rows.ts";
import type { RepositoryRows } from "../repositories.ts";
import type { TagChanger } from "./changer.ts";
import { createEventMaker, type EventMaker } from "./events.ts";

/** Changes of tags that people ask for, and the index that plans are made with. */
export function createTagRequests(
  { write }: SqliteDatabase,
  repositories: RepositoryRows,
  manifests: ManifestRows,
  changer: TagChanger,
): Pick<TagMetadata, "changeTags" | "highestOf" | "indexVersions"> {
  const { lines, changes, policyOf } = changer;
  const eventOf = createEventMaker(manifests, changer);
  return {
    changeTags: (repository, request, { actor, dryRun = false }) =>
      write(() => {
        const now = changes.now();
        const isPush = request.kind === "push"; // planned for a repository that nobody pushed to, too
        const repositoryId = isPush ? repositories.find(repository) : repositories.require(repository);
        if (repositoryId === undefined) return planForNothing(repository, changer, eventOf, request);
        const prepared = eventOf({ repositoryId, repository, now, dryRun }, request);
        return changer.run({ repositoryId, repository, actor, now, dryRun, ...prepared });
      }),
    async indexVersions(repository) {
      const repositoryId = repositories.find(repository);
      const { versions } = policyOf(repository);
      if (repositoryId === undefined || lines.isUpToDate(repositoryId, versions)) return true;
      return write(() => lines.advance(repositoryId, versions));
    },
    async highestOf(repository, line) {
      const repositoryId = repositories.find(repository);
      const { versions } = policyOf(repository);
      if (repositoryId === undefined || !versions) return undefined;
      if (!lines.isUpToDate(repositoryId, versions)) {
        await write(() => lines.bringUpToDate(repositoryId, versions));
      }
      return lines.highest(repositoryId, versions, line, new Set())?.tag;
    },
  };
}

function planForNothing(
  repository: RepositoryName,
  { policyOf }: TagChanger,
  eventOf: EventMaker,
  request: TagRequest,
): TagOutcome {
  const { event } = eventOf({ repositoryId: 0, repository, now: 0, dryRun: true }, request);
  return policyOf(repository).plan(event, { tags: new Map(), pasts: new Map(), heads: new Map() });
}
