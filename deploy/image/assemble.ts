import type { LayerEntry } from "../../src/layout/layer-tar.ts";
import { layerTar } from "../../src/layout/layer-tar.ts";
import type { Descriptor } from "../../src/oci/descriptors.ts";
import { mediaTypes } from "../../src/oci/media-types.ts";
import type { Tag } from "../../src/oci/names.ts";
import type { Place } from "../../src/registry/copy/place.ts";
import { digestOf } from "../../src/registry/hash.ts";
import { streamOf } from "../../src/registry/streams.ts";
import { userId } from "./root-files.ts";

/** Where what is in an image comes from: labels of its config, annotations of its manifest and of the index. */
export type Labels = Readonly<Record<string, string>>;

/** What all platforms of the image have in common. */
export interface ImageOrigin {
  /** RFC 3339, in UTC. */
  readonly created: string;
  readonly labels: Labels;
}

/** One layer, and what made it. */
export interface LayerRecipe {
  readonly entries: readonly LayerEntry[];
  readonly comment: string;
}

/** An image that was put, with what its layers take. */
export interface PutImage {
  readonly descriptor: Descriptor;
  /** Bytes of the layers as they are sent. */
  readonly compressed: number;
  /** Bytes of the layers as they lie on a disk. */
  readonly unpacked: number;
}

const second = 1_000_000_000; // nanoseconds, docker's unit for these

/** How the container runs. https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md and docker's Healthcheck */
const execution = {
  User: `${userId}:${userId}`,
  ExposedPorts: { "5000/tcp": {} },
  Env: [
    "PATH=/usr/bin",
    "BERTH_CONFIG=/etc/berth/berth.yaml",
    "BERTH_LISTEN=0.0.0.0:5000",
    "BERTH_DATA=/data",
    "SQLITE_TMPDIR=/data", // large sorts need a folder, and the rest may be read-only
  ],
  Entrypoint: ["/usr/bin/berth"],
  Cmd: ["serve"],
  Volumes: { "/data": {} },
  WorkingDir: "/",
  StopSignal: "SIGTERM",
  Healthcheck: {
    Test: ["CMD", "/usr/bin/berth", "healthcheck"],
    Interval: 30 * second,
    Timeout: 5 * second,
    StartPeriod: 30 * second,
    StartInterval: second,
    Retries: 3,
  },
} as const;

/**
 * Puts the image of one platform into a registry. The same input gives the same bytes: nothing in it has a time but
 * that of `origin`, and layers are compressed by one library in one way.
 */
export async function putImage(
  place: Place,
  architecture: string,
  layers: readonly LayerRecipe[],
  { created, labels }: ImageOrigin,
): Promise<PutImage> {
  const written = [];
  for (const layer of layers) written.push(await putLayer(place, layer));
  const config = await putBlob(place, mediaTypes.ociConfig, {
    created,
    architecture,
    os: "linux",
    config: { ...execution, Labels: labels },
    rootfs: { type: "layers", diff_ids: written.map(({ diffId }) => diffId) },
    history: layers.map(({ comment }) => ({ created, created_by: "npm run image", comment })),
  });
  const descriptor = await putManifest(place, mediaTypes.ociManifest, {
    config,
    layers: written.map(({ descriptor: layer }) => layer),
    annotations: { ...labels },
  });
  return {
    descriptor: { ...descriptor, platform: { os: "linux", architecture } },
    compressed: written.reduce((sum, layer) => sum + layer.descriptor.size, 0),
    unpacked: written.reduce((sum, layer) => sum + layer.size, 0),
  };
}

/** Puts an index of images, under tags. */
export function putIndex(
  place: Place,
  images: readonly Descriptor[],
  { labels }: ImageOrigin,
  tags: readonly Tag[],
): Promise<Descriptor> {
  return putManifest(place, mediaTypes.ociIndex, { manifests: images, annotations: labels }, tags);
}

async function putLayer(place: Place, { entries }: LayerRecipe) {
  const tar = Buffer.concat([...layerTar(entries)]);
  // Unlike zlib's relatives, this one gives the same bytes on every processor.
  const bytes = Bun.gzipSync(tar, { level: 6, library: "libdeflate" });
  const descriptor = { mediaType: mediaTypes.ociLayerGzip, digest: digestOf(bytes), size: bytes.byteLength };
  await place.registry.putBlob(place.repository, descriptor, streamOf(bytes));
  return { descriptor, diffId: digestOf(tar), size: tar.byteLength };
}

async function putBlob({ registry, repository }: Place, mediaType: string, content: object) {
  const bytes = new TextEncoder().encode(JSON.stringify(content));
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
  await registry.putBlob(repository, descriptor, streamOf(bytes));
  return descriptor;
}

async function putManifest(
  { registry, repository }: Place,
  mediaType: string,
  content: object,
  tags: readonly Tag[] = [],
): Promise<Descriptor> {
  const bytes = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType, ...content }));
  const { descriptor } = await registry.putManifest(repository, { bytes, mediaType, tags });
  return descriptor;
}
