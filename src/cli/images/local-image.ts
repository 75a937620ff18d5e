import type { Layout, LayoutEntry } from "../../layout/index.ts";
import type { Descriptor, Platform } from "../../oci/descriptors.ts";
import { type Digest, encodedOf } from "../../oci/digests.ts";
import { isRegistryError } from "../../oci/errors.ts";
import { type ImageManifest, type Index, isIndex, parseManifest } from "../../oci/manifests.ts";
import { mediaTypes } from "../../oci/media-types.ts";
import { openBlob } from "../../registry/blobs.ts";
import { forEachBounded } from "../../registry/concurrency.ts";
import type { Place } from "../../registry/copy/place.ts";
import { findPlatform } from "../../registry/platforms.ts";
import type { OperationOptions } from "../../registry/registry.ts";
import { bytesOf } from "../../registry/streams.ts";
import { type ImageConfig, parseImageConfig } from "./image-config.ts";

/** One platform of an image: its manifest and config. */
export interface ImageVariant {
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
}

/** An image of the local layout, with all names that it goes by. */
export interface LocalImage {
  /** Docker's image ID: the digest of the config, that of this machine's platform when there are several. */
  readonly id: Digest;
  /** Its lines in the layout, the one that was named last at the end. */
  readonly entries: readonly LayoutEntry[];
  /** Whether it is an image, also a damaged one, and not another artifact, such as a signature. */
  readonly isImage: boolean;
  /** `undefined` when it is no image, or damaged. */
  readonly variant: ImageVariant | undefined;
  /** Bytes of all layers and configs of its platforms, as they are kept: compressed. */
  readonly size: number;
}

/** How many images are read at a time. */
const readBound = 16;
/** Configs are a few kB; what is larger is none. */
const maxConfigSize = 8 * 1024 * 1024;

/** The first characters of an ID, as docker shows it. */
export function shortId(id: Digest): string {
  return encodedOf(id).slice(0, 12);
}

/** When an image was made, in milliseconds since 1970; 0 when it does not say. */
export function createdMs({ variant }: LocalImage): number {
  return variant?.config.created ? Date.parse(variant.config.created) : 0;
}

/** Reads the manifests and configs of all that a layout lists, each once. */
export async function readLocalImages(
  layout: Layout,
  platform: Platform,
  options: OperationOptions = {},
): Promise<readonly LocalImage[]> {
  const byDigest = new Map<Digest, LayoutEntry[]>();
  for (const entry of await layout.entries()) {
    const { digest } = entry.descriptor;
    byDigest.set(digest, [...(byDigest.get(digest) ?? []), entry]);
  }
  const images = new Map<Digest, LocalImage>();
  await forEachBounded([...byDigest], readBound, async ([digest, entries]) => {
    const [first] = entries;
    if (first) images.set(digest, await readImage(layout, platform, entries, options));
  });
  return mergeById([...byDigest.keys()].flatMap((digest) => images.get(digest) ?? []));
}

/** The same config under several manifests is one image, as docker sees it. */
function mergeById(images: readonly LocalImage[]): readonly LocalImage[] {
  const merged = new Map<Digest, LocalImage>();
  for (const image of images) {
    const known = merged.get(image.id);
    merged.set(image.id, known ? { ...known, entries: [...known.entries, ...image.entries] } : image);
  }
  return [...merged.values()];
}

async function readImage(
  layout: Layout,
  platform: Platform,
  entries: readonly LayoutEntry[],
  options: OperationOptions,
): Promise<LocalImage> {
  const [entry] = entries as readonly [LayoutEntry, ...LayoutEntry[]]; // safe: who calls has one
  const place = { registry: layout.at(entry.registry), repository: entry.repository };
  const read = await readTop(place, entry.descriptor, platform, options);
  return { ...read, id: read.variant?.manifest.config.digest ?? entry.descriptor.digest, entries };
}

type ReadTop = Pick<LocalImage, "isImage" | "variant" | "size">;

/** Reads what a descriptor leads to. What is damaged or missing is no failure, so that the rest can be listed. */
async function readTop(
  place: Place,
  descriptor: Descriptor,
  platform: Platform,
  options: OperationOptions,
): Promise<ReadTop> {
  const stored = await ifReadable(place.registry.getManifest(place.repository, descriptor.digest, options));
  const manifest =
    stored && (await ifReadable(asPromise(() => parseManifest(stored.bytes, descriptor.mediaType))));
  if (!manifest) return { isImage: true, variant: undefined, size: 0 };
  if (!isIndex(manifest)) return readVariant(place, descriptor, manifest, options);
  const children = await Promise.all(
    childrenOf(manifest).map((child) => readTop(place, child, platform, options)),
  );
  const variants = children.flatMap(({ variant }) => variant ?? []);
  const chosen = findPlatform(
    variants.map(({ config: { os, architecture, variant } }) => ({ os, architecture, variant })),
    platform,
  );
  const size = children.reduce((sum, child) => sum + child.size, 0);
  const isImage = children.length === 0 || children.some((child) => child.isImage);
  return { isImage, variant: variants[chosen ?? 0], size };
}

function childrenOf({ manifests }: Index): readonly Descriptor[] {
  return manifests.filter(({ annotations }) => !annotations?.["vnd.docker.reference.digest"]); // BuildKit's attestations
}

async function readVariant(
  place: Place,
  descriptor: Descriptor,
  manifest: ImageManifest,
  options: OperationOptions,
): Promise<ReadTop> {
  const { config } = manifest;
  const size = [config, ...manifest.layers].reduce((sum, blob) => sum + blob.size, 0);
  const isImage = config.mediaType === mediaTypes.ociConfig || config.mediaType === mediaTypes.dockerConfig;
  const parsed = isImage ? await ifReadable(readConfig(place, config, options)) : undefined;
  return { isImage, variant: parsed && { descriptor, manifest, config: parsed }, size };
}

/** Reads an image's config. @throws RegistryError BLOB_UNKNOWN; MANIFEST_INVALID */
export async function readConfig(
  { registry, repository }: Place,
  { digest, size }: Descriptor,
  options: OperationOptions = {},
): Promise<ImageConfig> {
  const handle = await registry.getBlob(repository, digest, { ...options, size });
  const body = await openBlob(handle, undefined, options);
  return parseImageConfig(await bytesOf(body, { size: Math.min(size, maxConfigSize) }), digest);
}

async function asPromise<T>(act: () => T): Promise<T> {
  return act();
}

async function ifReadable<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (isRegistryError(error)) return undefined;
    throw error;
  }
}
