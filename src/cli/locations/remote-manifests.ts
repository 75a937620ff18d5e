import type { Descriptor, Platform } from "../../oci/descriptors.ts";
import { isIndex, parseManifest } from "../../oci/manifests.ts";
import type { Reference } from "../../oci/references.ts";
import { findPlatform, missingPlatform } from "../../registry/platforms.ts";
import type { ManifestReader, OperationOptions, StoredManifest, TagReader } from "../../registry/registry.ts";
import { verifyManifest } from "../../registry/verification.ts";

/** The flag of what looks at one image of an index. */
export const platformFlag = {
  platform: {
    type: "text",
    value: "PLATFORM",
    summary: "of an index, take the image for this platform",
    completion: "platform",
  },
} as const;

/** The manifest that a reference means. @throws RegistryError MANIFEST_UNKNOWN; NAME_UNKNOWN */
export async function getManifestOf(
  registry: ManifestReader & TagReader,
  { repository, tag, digest }: Reference,
  options: OperationOptions,
): Promise<StoredManifest> {
  if (digest) return registry.getManifest(repository, digest, options);
  if (tag) return registry.getTag(repository, tag, options);
  throw new Error("a reference has a tag or a digest, once it is given the default tag");
}

/** Its descriptor alone. @throws RegistryError MANIFEST_UNKNOWN; NAME_UNKNOWN */
export async function resolveManifestOf(
  registry: ManifestReader & TagReader,
  { repository, tag, digest }: Reference,
  options: OperationOptions,
): Promise<Descriptor> {
  if (digest) return registry.resolveManifest(repository, digest, options);
  if (tag) return registry.resolveTag(repository, tag, options);
  throw new Error("a reference has a tag or a digest, once it is given the default tag");
}

/**
 * The manifest that a reference means for a platform, if one is wanted: of an index, that of the image for it; what is
 * no index stands for itself.
 * @throws RegistryError MANIFEST_UNKNOWN, naming the platforms that are there; NAME_UNKNOWN
 */
export async function getManifestFor(
  registry: ManifestReader & TagReader,
  reference: Reference,
  wanted: Platform | undefined,
  options: OperationOptions,
): Promise<StoredManifest> {
  const stored = await getManifestOf(registry, reference, options);
  return wanted ? getPlatformOf(registry, reference, stored, wanted, options) : stored;
}

async function getPlatformOf(
  registry: ManifestReader & TagReader,
  { repository }: Reference,
  stored: StoredManifest,
  wanted: Platform,
  options: OperationOptions,
): Promise<StoredManifest> {
  const manifest = parseManifest(stored.bytes, stored.descriptor.mediaType);
  if (!isIndex(manifest)) return stored;
  const offered = manifest.manifests.map(({ platform }) => platform);
  const child = manifest.manifests[findPlatform(offered, wanted) ?? -1];
  if (!child) throw missingPlatform(stored.descriptor, wanted, offered);
  const found = await registry.getManifest(repository, child.digest, options);
  verifyManifest(found, child);
  return found;
}
