import type { Digest } from "../../oci/digests.ts";
import { isRegistryError } from "../../oci/errors.ts";
import type { Tag } from "../../oci/names.ts";
import { forEachBounded } from "../../registry/concurrency.ts";
import type { Group, RepositoryRun, WantedTag } from "./repository-run.ts";
import type { SourceTag } from "./source.ts";

/** Brings tags together that point at one manifest, and finds those that the destination has. */
export async function groupTags(
  run: RepositoryRun,
  tags: ReadonlyMap<Tag, SourceTag>,
): Promise<readonly Group[]> {
  const { destination, target, keepsTags, tally, onProblem, signal } = run;
  const groups = new Map<Digest, { digest: Digest; tags: WantedTag[] }>();
  await forEachBounded([...tags], destination.bounds.manifests, async ([tag, from]) => {
    const { digest } = from;
    const group = groups.get(digest) ?? { digest, tags: [] };
    groups.set(digest, group);
    try {
      const found = await digestAt(run, tag);
      if (found === digest) return tally.tag("same");
      if (found !== undefined && keepsTags) return tally.tag("kept");
      group.tags.push({ ...from, tag, fate: found === undefined ? "new" : "moved" });
    } catch (error) {
      signal.throwIfAborted();
      tally.tag("failed");
      onProblem({ where: `${target}:${tag}`, error });
    }
  });
  return [...groups.values()];
}

/** Where a tag points at the destination. */
export async function digestAt(
  { destination, target, signal }: RepositoryRun,
  tag: Tag,
): Promise<Digest | undefined> {
  try {
    return (await destination.registry.resolveTag(target, tag, { signal })).digest;
  } catch (error) {
    if (isRegistryError(error, "MANIFEST_UNKNOWN", "NAME_UNKNOWN")) return undefined;
    throw error;
  }
}

/**
 * Points tags at manifests that are at the destination. One that cannot be set is a problem, and the others are set.
 * @param isReplayed some may point there already
 */
export async function setTags(
  run: RepositoryRun,
  tags: readonly WantedTag[],
  isReplayed: boolean,
): Promise<void> {
  const { destination, tally, onProblem, signal } = run;
  const fail = (where: string, count: number, error: unknown): void => {
    signal.throwIfAborted();
    tally.tag("failed", count);
    onProblem({ where, error });
  };
  const together: WantedTag[] = [];
  for (const each of tags) {
    try {
      const isThere = isReplayed && (await digestAt(run, each.tag)) === each.digest;
      if (!isThere && destination.setTags) {
        together.push(each);
        continue;
      }
      if (!isThere) await pushTag(run, each);
      tally.tag(each.fate);
    } catch (error) {
      fail(`${run.target}:${each.tag}`, 1, error);
    }
  }
  if (!destination.setTags || together.length === 0) return;
  try {
    const wanted = new Map(together.map(({ tag, fate: _, ...of }) => [tag, of]));
    const failed = await destination.setTags(run.target, wanted);
    for (const { tag, fate } of together) {
      const error = failed.get(tag);
      if (error === undefined) tally.tag(fate);
      else fail(`${run.target}:${tag}`, 1, error);
    }
  } catch (error) {
    fail(run.target, together.length, error);
  }
}

async function pushTag(
  { destination: { registry }, target, signal }: RepositoryRun,
  { tag, digest }: WantedTag,
): Promise<void> {
  const { bytes, descriptor } = await registry.getManifest(target, digest, { signal });
  const input = { bytes, mediaType: descriptor.mediaType, digest, tags: [tag] };
  await registry.putManifest(target, input, { signal });
}
