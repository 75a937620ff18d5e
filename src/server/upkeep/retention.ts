import { isRegistryError, RegistryError } from "../../oci/errors.ts";
import type { RepositoryName } from "../../oci/names.ts";
import { forEachBounded } from "../../registry/concurrency.ts";
import type { Store } from "../../store/store.ts";
import type { Tagging } from "../../tagging/policies.ts";
import { pinnedWithinMs, planRetention, type RetentionLine } from "../../tagging/retention.ts";

/** The most tags that are removed in one transaction: others can push in between. */
const batchSize = 200;
/** How often it is looked again: an index that goes leaves manifests that nothing lists any more. */
const maxPasses = 10;

/** What retention would remove from a repository now, and keep, with the reasons. */
export async function planRetentionOf(
  { metadata, pulls }: Store,
  tagging: Tagging,
  repository: RepositoryName,
  now: Date,
): Promise<readonly RetentionLine[]> {
  const reading = tagging.readingOf(repository, await metadata.getTagRules());
  const retain = reading?.rule.retain;
  if (!reading || !retain) {
    throw new RegistryError(
      "REQUEST_INVALID",
      `the rule of ${repository} has no retain: everything in it is kept until somebody deletes it`,
    );
  }
  await pulls.flush();
  const since = new Date(now.getTime() - pinnedWithinMs(retain));
  const facts = {
    tags: await metadata.listRetentionTags(repository),
    untagged: await metadata.listUntagged(repository),
    pulls: await metadata.listPulls(repository),
    formerTargets: await metadata.listFormerTargets(repository, since),
  };
  return planRetention(reading, facts, now);
}

/**
 * Removes what retention does not keep. What changes meanwhile is left as it is. Manifests can be brought back until
 * their content is collected.
 * @returns what was removed
 */
export async function applyRetention(
  store: Store,
  tagging: Tagging,
  repository: RepositoryName,
  actor: string,
): Promise<readonly RetentionLine[]> {
  const removed: RetentionLine[] = [];
  for (let pass = 0; pass < maxPasses; pass++) {
    const plan = await planRetentionOf(store, tagging, repository, new Date());
    const lines = plan.filter(({ action }) => action === "remove");
    const done = [
      ...(await removeTags(store, repository, lines, actor)),
      ...(await removeManifests(store, repository, lines, actor)),
    ];
    if (done.length === 0) break;
    removed.push(...done);
  }
  return removed;
}

async function removeTags(
  { metadata }: Store,
  repository: RepositoryName,
  lines: readonly RetentionLine[],
  actor: string,
): Promise<RetentionLine[]> {
  const removed: RetentionLine[] = [];
  const tags = lines.flatMap((line) =>
    line.tag === undefined ? [] : [{ line, tag: line.tag, at: line.digest }],
  );
  for (let start = 0; start < tags.length; start += batchSize) {
    const batch = tags.slice(start, start + batchSize);
    const outcome = await metadata.changeTags(repository, { kind: "retention", tags: batch }, { actor });
    const gone = new Set(outcome.lines.filter(({ action }) => action === "remove").map(({ tag }) => tag));
    removed.push(...batch.filter(({ tag }) => gone.has(tag)).map(({ line }) => line));
  }
  return removed;
}

async function removeManifests(
  { metadata }: Store,
  repository: RepositoryName,
  lines: readonly RetentionLine[],
  actor: string,
): Promise<RetentionLine[]> {
  const removed: RetentionLine[] = [];
  const untagged = lines.filter(({ tag }) => tag === undefined);
  await forEachBounded(untagged, 16, async (line) => {
    try {
      await metadata.deleteManifest(repository, line.digest, { actor, kind: "retention" });
      removed.push(line);
    } catch (error) {
      // Somebody tagged it, listed it or deleted it since the plan was made: it is no longer ours to remove.
      if (!isRegistryError(error, "TAG_PROTECTED", "UNSUPPORTED", "MANIFEST_UNKNOWN")) throw error;
    }
  });
  return removed;
}
