import type { Digest } from "../../oci/digests.ts";
import { forEachBounded } from "../../registry/concurrency.ts";
import { createCopies } from "./copies.ts";
import { removeGone, replayHistory } from "./past.ts";
import type { Group, RepositoryRun } from "./repository-run.ts";
import type { ImportSource, SourceContents, SourceRepository } from "./source.ts";
import { groupTags, setTags } from "./tags.ts";
import { chooseTags } from "./wanted.ts";

/**
 * Imports one repository: manifests with what they need, then what happened to its tags, where the source says so, then
 * the tags. What cannot be imported is a problem, and the rest is done.
 */
export async function importRepository(
  run: RepositoryRun,
  source: ImportSource,
  from: SourceRepository,
): Promise<void> {
  const { onProblem, stop, tally, destination, dryRun } = run;
  let contents: SourceContents;
  try {
    contents = await from.contents(onProblem);
  } catch (error) {
    return onProblem({ where: from.repository, error });
  }
  const groups = await groupTags(run, chooseTags(contents.tags, run.wanted));
  const isListed = source.listsManifests && run.wanted.everyTag;
  const copies = createCopies(run, from, { referrers: run.referrers && !isListed });
  const copyAll = (all: readonly Group[]): Promise<void> =>
    forEachBounded(all, destination.bounds.manifests, async (group) => {
      if (stop.reason) return tally.tag("failed", group.tags.length);
      await copies.copy(group);
    });
  // What an archive does not hold, its tags apart, an earlier one has brought: it may be among what is copied now, too.
  const [here, elsewhere] = split(groups, ({ digest }) => from.past?.isIn(digest) ?? true);
  await copyAll(here);
  const tried = new Set(here.map(({ digest }) => digest));
  const isLeft = (digest: Digest) => !copies.seen.has(digest) && !tried.has(digest);
  await copyAll(contents.manifests.filter(isLeft).map(untagged));
  await copyAll(elsewhere.filter(({ tags }) => tags.length > 0));
  if (dryRun) {
    for (const { fate } of copies.tags) tally.tag(fate);
    return;
  }
  const isReplayed = from.past ? await replayHistory(run, from.past) : false;
  await setTags(run, copies.tags, isReplayed);
  if (from.past && !stop.reason) await removeGone(run, from.past);
}

const untagged = (digest: Digest): Group => ({ digest, tags: [] });

function split<T>(items: readonly T[], test: (item: T) => boolean): readonly [readonly T[], readonly T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}
