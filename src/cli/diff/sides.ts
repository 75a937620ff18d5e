import { hostPlatform, type ImageFiles, withLayer } from "../../layout/index.ts";
import type { Descriptor, Platform } from "../../oci/descriptors.ts";
import { isRegistryError, RegistryError } from "../../oci/errors.ts";
import { isIndex, parseManifest } from "../../oci/manifests.ts";
import { isForeignLayerType, mediaTypes } from "../../oci/media-types.ts";
import { withDefaultTag } from "../../oci/references.ts";
import type { Place } from "../../registry/copy/place.ts";
import type { Context } from "../command.ts";
import type { ImageConfig } from "../images/image-config.ts";
import { readConfig } from "../images/local-image.ts";
import { readImages } from "../images/read-images.ts";
import { resolveImage } from "../images/resolve-image.ts";
import type { imagesFlag } from "../locations/local-images.ts";
import { parseLocation } from "../locations/locations.ts";
import { openSource } from "../locations/open-locations.ts";
import type { Remotes } from "../locations/registries.ts";
import { getManifestFor } from "../locations/remote-manifests.ts";
import type { Layer } from "./changes.ts";

/** One of two images that are compared. */
export interface Side {
  /** As it was typed. */
  readonly name: string;
  readonly place: Place;
  readonly descriptor: Descriptor;
  readonly config: ImageConfig;
  readonly layers: readonly Layer[];
}

/**
 * Finds an image: among the local ones, or where its location says.
 * @throws RegistryError MANIFEST_UNKNOWN; MANIFEST_INVALID when it is no image; UsageError
 */
export async function openSide(
  context: Context<typeof imagesFlag>,
  remotes: Remotes,
  text: string,
  platform: Platform = hostPlatform,
): Promise<Side> {
  const { signal } = context;
  const place = (await localPlace(context, text)) ?? (await placeAt(context, remotes, text));
  const name = { ...withDefaultTag(place.name), repository: place.repository };
  const stored = await getManifestFor(place.registry, name, platform, { signal });
  const manifest = parseManifest(stored.bytes, stored.descriptor.mediaType);
  const isImage =
    !isIndex(manifest) &&
    (manifest.config.mediaType === mediaTypes.ociConfig ||
      manifest.config.mediaType === mediaTypes.dockerConfig);
  if (!isImage) throw new RegistryError("MANIFEST_INVALID", `${text} is no image, but another artifact`);
  const config = await readConfig(place, manifest.config, { signal });
  const layers = manifest.layers.map((descriptor, at) => ({
    descriptor,
    diffId: config.diffIds[at] ?? descriptor.digest,
  }));
  return { name: text, place, descriptor: stored.descriptor, config, layers };
}

type Named = Awaited<ReturnType<typeof openSource>>;

/** A local image, by name or the beginning of its ID; `undefined` when there is none, or a location was given. */
async function localPlace(context: Context<typeof imagesFlag>, text: string): Promise<Named | undefined> {
  const { layout, images } = await readImages(context);
  try {
    const { image, reference } = resolveImage(images, text);
    const [entry] = reference ? image.entries.filter(({ tag }) => tag === reference.tag) : image.entries;
    const { registry, repository, descriptor } = entry ?? image.entries[0] ?? {};
    if (!registry || !repository || !descriptor) return undefined;
    const name = { registry, repository, digest: descriptor.digest };
    return { registry: layout.at(registry), repository, name, isNear: true };
  } catch (error) {
    if (isRegistryError(error, "MANIFEST_UNKNOWN")) return undefined;
    throw error;
  }
}

async function placeAt(context: Context<typeof imagesFlag>, remotes: Remotes, text: string): Promise<Named> {
  return openSource(context, remotes, parseLocation(text));
}

/** All files of two images. The layers that both begin with are read once. */
export async function readFiles(
  from: Side,
  to: Side,
  sharedBase: number,
  signal: AbortSignal,
): Promise<readonly [ImageFiles, ImageFiles]> {
  const base = await filesOf(from.place, from.layers.slice(0, sharedBase), new Map(), signal);
  return [
    await filesOf(from.place, from.layers.slice(sharedBase), base, signal),
    await filesOf(to.place, to.layers.slice(sharedBase), base, signal),
  ];
}

async function filesOf(
  place: Place,
  layers: readonly Layer[],
  below: ImageFiles,
  signal: AbortSignal,
): Promise<ImageFiles> {
  let files = below;
  for (const { descriptor } of layers) {
    if (isForeignLayerType(descriptor.mediaType)) continue; // it is not there
    files = await withLayer(files, place, descriptor, { signal });
  }
  return files;
}
