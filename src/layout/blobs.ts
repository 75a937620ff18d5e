import { blobDescriptor } from "../oci/descriptors.ts";
import type { Digest } from "../oci/digests.ts";
import { RegistryError } from "../oci/errors.ts";
import type { BlobReader } from "../registry/registry.ts";
import type { FoundBlob, LayoutContents, LayoutState } from "./contents.ts";
import type { HoldingsReader } from "./holdings.ts";
import { isLinked } from "./links.ts";
import { type PlaceName, placeKey } from "./names.ts";

/** Finds blobs of places. */
export interface BlobFinder {
  /** @returns `undefined` when the place does not hold it, or its file is missing */
  find(state: LayoutState, place: PlaceName, digest: Digest): Promise<FoundBlob | undefined>;
}

/** Finds blobs by what places hold. */
export function createBlobFinder({ files }: LayoutContents, holdings: HoldingsReader): BlobFinder {
  return {
    async find(state, place, digest) {
      const isHeld =
        isLinked(state.links, place, digest) || (await holdings.of(state.index, place)).blobs.has(digest);
      return isHeld ? files.findBlob(digest) : undefined;
    },
  };
}

/** The BLOB_UNKNOWN error. */
export function unknownBlob(name: string, place: PlaceName, digest: Digest): RegistryError {
  return new RegistryError("BLOB_UNKNOWN", `${name} has no blob ${digest} of ${placeKey(place)}`);
}

/** Blobs of one registry's repositories in a layout. */
export function createBlobReader(
  registry: PlaceName["registry"],
  contents: LayoutContents,
  finder: BlobFinder,
): BlobReader {
  const require = async (repository: PlaceName["repository"], digest: Digest): Promise<FoundBlob> => {
    const place = { registry, repository };
    const found = await finder.find(await contents.current(), place, digest);
    if (!found) throw unknownBlob(contents.files.name, place, digest);
    return found;
  };
  return {
    async getBlob(repository, digest, options) {
      options?.signal?.throwIfAborted();
      const found = await require(repository, digest);
      return { descriptor: blobDescriptor(digest, found.size), source: found.source };
    },
    async resolveBlob(repository, digest, options) {
      options?.signal?.throwIfAborted();
      return blobDescriptor(digest, (await require(repository, digest)).size);
    },
  };
}
