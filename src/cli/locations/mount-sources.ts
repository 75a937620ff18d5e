import type { Layout } from "../../layout/layout.ts";
import type { Digest } from "../../oci/digests.ts";
import { isRegistryError } from "../../oci/errors.ts";
import { parseManifest } from "../../oci/manifests.ts";
import type { RepositoryName } from "../../oci/names.ts";
import type { Reference } from "../../oci/references.ts";
import { needsOf } from "../../registry/manifests.ts";
import type { Registry } from "../../registry/registry.ts";

/** How many repositories of a registry are asked for one blob. */
const mostAsked = 2;

/**
 * Other repositories of a registry that are likely to hold a blob, because a local image has it that is named after one
 * of them; the one that was named last comes first.
 */
export async function mountSources(
  images: Layout,
  { registry, repository }: Reference,
): Promise<(digest: Digest) => readonly RepositoryName[]> {
  const holders = new Map<Digest, Set<RepositoryName>>();
  const local = images.at(registry);
  for (const entry of (await images.entries()).toReversed()) {
    if (entry.registry !== registry || entry.repository === repository) continue;
    for await (const digest of blobsUnder(local, entry.repository, entry.descriptor.digest)) {
      holders.set(digest, (holders.get(digest) ?? new Set()).add(entry.repository));
    }
  }
  return (digest) => [...(holders.get(digest) ?? [])].slice(0, mostAsked);
}

/** A layout that others wrote may lack what an index names; here that is no error. */
async function* blobsUnder(
  local: Registry,
  repository: RepositoryName,
  digest: Digest,
): AsyncGenerator<Digest, void, undefined> {
  const stored = await local.getManifest(repository, digest).catch((error: unknown) => {
    if (isRegistryError(error)) return undefined;
    throw error;
  });
  if (!stored) return;
  for (const need of needsOf(parseManifest(stored.bytes, stored.descriptor.mediaType))) {
    if (need.kind === "manifest") yield* blobsUnder(local, repository, need.descriptor.digest);
    else yield need.descriptor.digest;
  }
}
