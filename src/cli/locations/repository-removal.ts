import type { Descriptor } from "../../oci/descriptors.ts";
import type { Digest } from "../../oci/digests.ts";
import { isRegistryError } from "../../oci/errors.ts";
import { parseManifest } from "../../oci/manifests.ts";
import { isIndexType } from "../../oci/media-types.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";
import { needsOf } from "../../registry/manifests.ts";
import type { OperationOptions, Registry } from "../../registry/registry.ts";
import { allItems } from "../pages.ts";

/** All that can be found of a repository, to be deleted. */
export interface RepositoryRemoval {
  readonly tags: readonly Tag[];
  /** In the order in which they can be deleted: an index before what it lists. */
  readonly manifests: readonly Digest[];
}

/**
 * Finds what a repository holds: what its tags point at, what that lists, and what refers to it. Manifests that nothing
 * leads to cannot be found over the distribution API.
 * @throws RegistryError NAME_UNKNOWN
 */
export async function planRepositoryRemoval(
  registry: Registry,
  repository: RepositoryName,
  signal: AbortSignal,
): Promise<RepositoryRemoval> {
  const tags = await Array.fromAsync(allItems((page) => registry.listTags(repository, page), signal));
  /** A manifest that is met again moves to the end: it may be listed by one that was met later. */
  const found = new Set<Digest>();
  const waiting: Descriptor[] = [];
  for (const tag of tags) waiting.push(await registry.resolveTag(repository, tag, { signal }));
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const isNew = !found.delete(next.digest);
    found.add(next.digest);
    waiting.push(...(await childrenOf(registry, repository, next, { signal })));
    if (isNew) waiting.push(...(await referrersOf(registry, repository, next.digest, signal)));
  }
  return { tags, manifests: [...found] };
}

async function childrenOf(
  registry: Registry,
  repository: RepositoryName,
  { digest, mediaType }: Descriptor,
  options: OperationOptions,
): Promise<readonly Descriptor[]> {
  if (!isIndexType(mediaType)) return [];
  const { bytes } = await registry.getManifest(repository, digest, options);
  return needsOf(parseManifest(bytes, mediaType)).flatMap(({ kind, descriptor }) =>
    kind === "manifest" ? [descriptor] : [],
  );
}

function referrersOf(
  registry: Registry,
  repository: RepositoryName,
  digest: Digest,
  signal: AbortSignal,
): Promise<readonly Descriptor[]> {
  return Array.fromAsync(allItems((page) => registry.listReferrers(repository, digest, page), signal));
}

/** Deletes what was found. What is gone already is no error, so that it can be run again. */
export async function removeManifests(
  registry: Registry,
  repository: RepositoryName,
  { manifests }: RepositoryRemoval,
  signal: AbortSignal,
): Promise<void> {
  for (const digest of manifests) {
    try {
      await registry.deleteManifest(repository, digest, { signal });
    } catch (error) {
      if (!isRegistryError(error, "MANIFEST_UNKNOWN", "NAME_UNKNOWN")) throw error;
    }
  }
}
