import type { Descriptor } from "../oci/descriptors.ts";
import type { Digest } from "../oci/digests.ts";
import { RegistryError } from "../oci/errors.ts";
import type { ManifestReader, StoredManifest } from "../registry/registry.ts";
import { verifyManifest } from "../registry/verification.ts";
import type { LayoutContents, LayoutFiles, LayoutState } from "./contents.ts";
import { entriesAt } from "./document.ts";
import type { HeldManifest, HoldingsReader } from "./holdings.ts";
import { type PlaceName, placeKey } from "./names.ts";

/** @throws RegistryError NAME_UNKNOWN when nothing was ever pushed to the place */
export function requirePlace({ index, links }: LayoutState, name: string, place: PlaceName): void {
  if (links.has(placeKey(place)) || entriesAt(index, place).length > 0) return;
  throw new RegistryError("NAME_UNKNOWN", `${name} has no repository ${placeKey(place)}`);
}

/** @throws RegistryError MANIFEST_UNKNOWN; NAME_UNKNOWN */
export async function requireManifest(
  state: LayoutState,
  holdings: HoldingsReader,
  name: string,
  place: PlaceName,
  digest: Digest,
): Promise<HeldManifest> {
  requirePlace(state, name, place);
  const found = (await holdings.of(state.index, place)).manifests.get(digest);
  if (found) return found;
  throw new RegistryError("MANIFEST_UNKNOWN", `${name} has no manifest ${digest} of ${placeKey(place)}`);
}

/**
 * Reads the bytes of a manifest that is listed.
 * @throws RegistryError MANIFEST_UNKNOWN when its file is missing; SIZE_INVALID, DIGEST_INVALID when it is damaged
 */
export async function readStored(
  { name, readManifest }: LayoutFiles,
  descriptor: Descriptor,
): Promise<StoredManifest> {
  const { mediaType, digest, size } = descriptor;
  const bytes = await readManifest(digest);
  if (!bytes) {
    throw new RegistryError(
      "MANIFEST_UNKNOWN",
      `${name} is damaged: it lists manifest ${digest}, but does not have it`,
    );
  }
  const stored: StoredManifest = { descriptor: { mediaType, digest, size }, bytes };
  try {
    verifyManifest(stored, stored.descriptor);
  } catch (cause) {
    if (!(cause instanceof RegistryError)) throw cause;
    throw new RegistryError(cause.code, `${name} is damaged: ${cause.message}`, { cause });
  }
  return stored;
}

/** Manifests of one registry's repositories in a layout. */
export function createManifestReader(
  registry: PlaceName["registry"],
  contents: LayoutContents,
  holdings: HoldingsReader,
): ManifestReader {
  const resolve = async (repository: PlaceName["repository"], digest: Digest): Promise<Descriptor> => {
    const state = await contents.current();
    const place = { registry, repository };
    return (await requireManifest(state, holdings, contents.files.name, place, digest)).descriptor;
  };
  return {
    async getManifest(repository, digest, options) {
      options?.signal?.throwIfAborted();
      return readStored(contents.files, await resolve(repository, digest));
    },
    async resolveManifest(repository, digest, options) {
      options?.signal?.throwIfAborted();
      return resolve(repository, digest);
    },
  };
}
