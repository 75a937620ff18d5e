import type { Descriptor } from "../oci/descriptors.ts";
import type { Digest } from "../oci/digests.ts";
import { RegistryError } from "../oci/errors.ts";
import { isIndex, type Manifest } from "../oci/manifests.ts";
import { isForeignLayerType, isManifestType } from "../oci/media-types.ts";
import type { RepositoryName } from "../oci/names.ts";

/** Content without which a manifest cannot be stored in a repository. */
export interface Need {
  readonly descriptor: Descriptor;
  /**
   * What it has to be there. An index may list what is not a manifest, such as the layers in BuildKit's cache: that
   * may be there as a manifest or as a blob.
   */
  readonly kind: "blob" | "manifest" | "either";
}

/**
 * What a manifest needs, in its order, with repetitions: config and layers, or children. Foreign layers and the subject
 * are not needed.
 */
export function needsOf(manifest: Manifest): readonly Need[] {
  if (isIndex(manifest)) {
    return manifest.manifests.map((descriptor) => ({
      descriptor,
      kind: isManifestType(descriptor.mediaType) ? "manifest" : "either",
    }));
  }
  const layers = manifest.layers.filter((layer) => !isForeignLayerType(layer.mediaType));
  return [manifest.config, ...layers].map((descriptor) => ({ descriptor, kind: "blob" }));
}

const namedInMessage = 3;

/** The MANIFEST_BLOB_UNKNOWN error: its message names the first few that are missing, its detail all. */
export function missingContent(repository: RepositoryName, missing: readonly Digest[]): RegistryError {
  const named = missing.slice(0, namedInMessage).join(", ");
  const more = missing.length > namedInMessage ? ` and ${missing.length - namedInMessage} more` : "";
  return new RegistryError(
    "MANIFEST_BLOB_UNKNOWN",
    `repository ${repository} lacks what the manifest names: ${named}${more}: push that first`,
    { detail: missing.map((digest) => ({ digest })) },
  );
}
