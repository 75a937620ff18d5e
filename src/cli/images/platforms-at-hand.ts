import type { Platform } from "../../oci/descriptors.ts";
import type { Digest } from "../../oci/digests.ts";
import { isRegistryError, RegistryError } from "../../oci/errors.ts";
import { isIndex, parseManifest } from "../../oci/manifests.ts";
import { isManifestType } from "../../oci/media-types.ts";
import type { Place } from "../../registry/copy/place.ts";

/**
 * The platforms of an index that are in an archive, when others are not: docker saves the index of an image whole, but
 * of its platforms those that it has pulled. None when all are there, or it is no index.
 * @throws RegistryError MANIFEST_UNKNOWN when none is there
 */
export async function platformsAtHand(
  { registry, repository }: Place,
  digest: Digest,
): Promise<readonly Platform[]> {
  const { bytes, descriptor } = await registry.getManifest(repository, digest);
  const manifest = parseManifest(bytes, descriptor.mediaType);
  if (!isIndex(manifest)) return [];
  const there: Platform[] = [];
  let isWhole = true;
  for (const child of manifest.manifests) {
    if (!isManifestType(child.mediaType)) continue; // a layer, as in BuildKit's cache
    if (await isThere(registry.resolveManifest(repository, child.digest))) {
      if (child.platform && child.platform.os !== "unknown") there.push(child.platform);
    } else isWhole = false;
  }
  if (isWhole) return [];
  if (there.length > 0) return there;
  throw new RegistryError("MANIFEST_UNKNOWN", `the archive has no platform of image ${digest}`);
}

async function isThere(found: Promise<unknown>): Promise<boolean> {
  try {
    await found;
    return true;
  } catch (error) {
    if (isRegistryError(error, "MANIFEST_UNKNOWN")) return false;
    throw error;
  }
}
