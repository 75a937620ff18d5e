import type { Descriptor } from "../../oci/descriptors.ts";
import type { Digest } from "../../oci/digests.ts";
import { parseManifest } from "../../oci/manifests.ts";
import { isIndexType } from "../../oci/media-types.ts";
import type { Tag } from "../../oci/names.ts";
import { type Need, needsOf } from "../manifests.ts";
import type { PutManifestResult, StoredManifest } from "../registry.ts";
import { verifyManifest } from "../verification.ts";
import type { BlobCopier } from "./blobs.ts";
import { isFound, type Run } from "./run.ts";

/** Copies manifests with all that they name, each once. */
export interface ManifestCopier {
  /** The digests of what has been copied or was there, in the order in which it came up. */
  readonly seen: ReadonlySet<Digest>;
  isAtDestination(digest: Digest): Promise<boolean>;
  copyManifest(descriptor: Descriptor): Promise<void>;
  /** Copies what a manifest names. */
  copyNeeds(stored: StoredManifest): Promise<void>;
  /** Stores a manifest whose needs are there. */
  put(stored: StoredManifest, tags: readonly Tag[]): Promise<PutManifestResult>;
}

/** How many manifests of one index are held in memory until what they name is copied. */
const childBound = 4;

/** @param walksAll whether an index that is at the destination is walked nevertheless, to see its children */
export function createManifestCopier(run: Run, blobs: BlobCopier, walksAll: boolean): ManifestCopier {
  const { source, destination } = run;
  const manifests = new Map<Digest, Promise<void>>();
  const seen = new Set<Digest>();

  const isAtDestination = (digest: Digest): Promise<boolean> =>
    isFound(
      run.request((signal) =>
        destination.registry.resolveManifest(destination.repository, digest, { signal }),
      ),
    );

  const get = async (descriptor: Descriptor): Promise<StoredManifest> => {
    const { registry, repository } = source;
    const stored = await run.request((signal) =>
      registry.getManifest(repository, descriptor.digest, { signal }),
    );
    verifyManifest(stored, descriptor);
    return stored;
  };

  const put: ManifestCopier["put"] = ({ bytes, descriptor: { mediaType, digest } }, tags) => {
    const input = { bytes, mediaType, digest, tags };
    return run.request((signal) =>
      destination.registry.putManifest(destination.repository, input, { signal }),
    );
  };

  const copyOnce = async (descriptor: Descriptor): Promise<void> => {
    run.announce(descriptor);
    seen.add(descriptor.digest);
    const exists = await isAtDestination(descriptor.digest);
    if (!exists || (walksAll && isIndexType(descriptor.mediaType))) {
      const stored = await get(descriptor);
      await copyNeeds(stored);
      if (!exists) await put(stored, []);
    }
    run.report({ state: exists ? "exists" : "done", descriptor });
  };

  const copyManifest = (descriptor: Descriptor): Promise<void> => {
    const known = manifests.get(descriptor.digest);
    if (known) return known;
    const copied = copyOnce(descriptor);
    manifests.set(descriptor.digest, copied);
    return copied;
  };

  /** An index may list blobs too; the source knows what they are. */
  const isBlob = async ({ descriptor, kind }: Need): Promise<boolean> => {
    if (kind !== "either") return kind === "blob";
    const resolve = (signal: AbortSignal) =>
      source.registry.resolveBlob(source.repository, descriptor.digest, { signal });
    return isFound(run.request(resolve));
  };

  const copyNeeds = async ({ bytes, descriptor }: StoredManifest): Promise<void> => {
    const needs = needsOf(parseManifest(bytes, descriptor.mediaType));
    for (const need of needs) run.announce(need.descriptor);
    // The blobs of an image are bounded where they are sent, so that all are looked up meanwhile.
    const bound = isIndexType(descriptor.mediaType) ? childBound : needs.length;
    await run.forEach(needs, bound, async (need) =>
      (await isBlob(need)) ? blobs.copyBlob(need.descriptor) : copyManifest(need.descriptor),
    );
  };

  return { seen, isAtDestination, copyManifest, copyNeeds, put };
}
