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

/** Points tags at manifests that are at the destination. @param isReplayed some may point there already */
export async function setTags(
  run: RepositoryRun,
  tags: readonly WantedTag[],
  isReplayed: boolean,
): Promise<void> {
  const { destination, target, tally, onProblem, signal } = run;
  if (tags.length === 0) return;
  const wanted = new Map<Tag, SourceTag>();
  for (const { tag, ...of } of tags) {
    if (!isReplayed || (await digestAt(run, tag)) !== of.digest) wanted.set(tag, of);
  }
  try {
    if (destination.setTags) await destination.setTags(target, wanted);
    else await pushTags(run, wanted);
    for (const { fate } of tags) tally.tag(fate);
  } catch (error) {
    signal.throwIfAborted();
    tally.tag("failed", tags.length);
    onProblem({ where: target, error });
  }
}

async function pushTags(
  { destination, target, signal }: RepositoryRun,
  tags: ReadonlyMap<Tag, SourceTag>,
): Promise<void> {
  const { registry } = destination;
  for (const [tag, { digest }] of tags) {
    const { bytes, descriptor } = await registry.getManifest(target, digest, { signal });
    const input = { bytes, mediaType: descriptor.mediaType, digest, tags: [tag] };
    await registry.putManifest(target, input, { signal });
  }
}
