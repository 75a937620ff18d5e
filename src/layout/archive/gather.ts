import type { Descriptor, Platform } from "../../oci/descriptors.ts";
import type { Digest } from "../../oci/digests.ts";
import { isRegistryError } from "../../oci/errors.ts";
import { type ImageManifest, type Index, isIndex, parseManifest } from "../../oci/manifests.ts";
import { isForeignLayerType, mediaTypes } from "../../oci/media-types.ts";
import type { Tag } from "../../oci/names.ts";
import type { Place } from "../../registry/copy/place.ts";
import { isFound } from "../../registry/copy/run.ts";
import { needsOf } from "../../registry/manifests.ts";
import { findPlatform } from "../../registry/platforms.ts";
import type { StoredManifest } from "../../registry/registry.ts";
import { verifyManifest } from "../../registry/verification.ts";
import type { PlaceName } from "../names.ts";

/** An image to write into an archive. */
export interface ImageToSave extends Place {
  readonly digest: Digest;
  /** What it is called in the archive; nothing, if absent. */
  readonly name?: PlaceName & { readonly tag: Tag };
}

/** A blob, and from where it can be read. */
export interface GatheredBlob {
  readonly descriptor: Descriptor;
  readonly place: Place;
}

/** An image that a docker engine can run: a manifest of one platform, with the names that it goes by. */
export interface RunnableImage {
  readonly manifest: ImageManifest;
  readonly place: Place;
  readonly names: readonly (PlaceName & { readonly tag: Tag })[];
}

/** All that an archive has to hold. */
export interface Gathered {
  /** One for each image that was asked for. */
  readonly tops: readonly { readonly image: ImageToSave; readonly descriptor: Descriptor }[];
  readonly manifests: ReadonlyMap<Digest, StoredManifest>;
  readonly blobs: ReadonlyMap<Digest, GatheredBlob>;
  readonly runnable: readonly RunnableImage[];
}

/** Options of {@link gather}. */
export interface GatherOptions {
  readonly signal?: AbortSignal;
  /** Which image of an index docker is told of; if it is not there, the first one. */
  readonly platform: Platform;
}

/**
 * Walks from images to all that they name. Children of an index that are not there are left out.
 * @throws RegistryError MANIFEST_UNKNOWN; NAME_UNKNOWN; MANIFEST_INVALID; DIGEST_INVALID
 */
export async function gather(images: readonly ImageToSave[], options: GatherOptions): Promise<Gathered> {
  const manifests = new Map<Digest, StoredManifest>();
  const blobs = new Map<Digest, GatheredBlob>();
  const tops: { image: ImageToSave; descriptor: Descriptor }[] = [];
  const runnable = new Map<
    Digest,
    { manifest: ImageManifest; place: Place; names: RunnableImage["names"] }
  >();

  const get = async (place: Place, digest: Digest): Promise<StoredManifest> => {
    const known = manifests.get(digest);
    if (known) return known;
    const { signal } = options;
    const stored = await place.registry.getManifest(place.repository, digest, signal ? { signal } : {});
    verifyManifest(stored, { ...stored.descriptor, digest });
    manifests.set(digest, stored);
    return stored;
  };

  /** An index may list blobs too; the registry knows what they are. */
  const hasBlob = ({ registry, repository }: Place, digest: Digest): Promise<boolean> =>
    isFound(registry.resolveBlob(repository, digest, options.signal ? { signal: options.signal } : {}));

  const walk = async (place: Place, digest: Digest): Promise<StoredManifest> => {
    const stored = await get(place, digest);
    for (const { kind, descriptor } of needsOf(parseManifest(stored.bytes, stored.descriptor.mediaType))) {
      const isBlob = kind === "blob" || (kind === "either" && (await hasBlob(place, descriptor.digest)));
      if (isBlob) blobs.set(descriptor.digest, { descriptor, place });
      else await ifThere(walk(place, descriptor.digest));
    }
    return stored;
  };

  for (const image of images) {
    const { descriptor, bytes } = await walk(image, image.digest);
    tops.push({ image, descriptor });
    const parsed = parseManifest(bytes, descriptor.mediaType);
    const manifest = isIndex(parsed) ? await chosenOf(parsed, manifests, options.platform) : parsed;
    if (!manifest || !isRunnable(manifest)) continue;
    const known = runnable.get(manifest.config.digest);
    const names = [...(known?.names ?? []), ...(image.name ? [image.name] : [])];
    runnable.set(manifest.config.digest, { manifest, place: image, names });
  }
  return { tops, manifests, blobs, runnable: [...runnable.values()] };
}

async function ifThere<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (isRegistryError(error, "MANIFEST_UNKNOWN")) return undefined;
    throw error;
  }
}

/** The image of an index that is for a platform, or the first that is for any. */
async function chosenOf(
  index: Index,
  manifests: ReadonlyMap<Digest, StoredManifest>,
  platform: Platform,
): Promise<ImageManifest | undefined> {
  const there = index.manifests.filter(({ digest }) => manifests.has(digest));
  const at = findPlatform(
    there.map((child) => child.platform),
    platform,
  );
  const wanted = at === undefined ? undefined : there[at];
  for (const child of wanted ? [wanted] : there) {
    const stored = manifests.get(child.digest);
    const parsed = stored && parseManifest(stored.bytes, stored.descriptor.mediaType);
    if (parsed && !isIndex(parsed) && isRunnable(parsed)) return parsed;
  }
  return undefined;
}

/** Whether a manifest is an image's, with all layers at hand, and not an artifact's or what a builder attests. */
function isRunnable({ config, layers }: ImageManifest): boolean {
  const isImage = config.mediaType === mediaTypes.ociConfig || config.mediaType === mediaTypes.dockerConfig;
  return (
    isImage &&
    layers.every(
      ({ mediaType }) => !isForeignLayerType(mediaType) && !mediaType.startsWith("application/vnd.in-toto"),
    )
  );
}
