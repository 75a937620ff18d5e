import type { Descriptor } from "../../oci/descriptors.ts";
import { type Digest, isDigest } from "../../oci/digests.ts";
import { quote, RegistryError } from "../../oci/errors.ts";
import { maxManifestSize } from "../../oci/manifests.ts";
import { mediaTypes } from "../../oci/media-types.ts";
import { parseStrictJson } from "../../oci/strict-json.ts";
import { streamFile } from "../../registry/files/stream-file.ts";
import { createHasher, digestOf } from "../../registry/hash.ts";
import { piecesOf } from "../../registry/pieces.ts";
import { parseObject } from "../document.ts";
import { imageNameAnnotation } from "../names.ts";
import type { Located, TarFile } from "../tar/tar-file.ts";
import { type Compression, compressionOf, magicSize } from "./compression.ts";

/** One image of manifest.json. */
interface DockerImage {
  readonly config: string;
  readonly names: readonly string[];
  readonly layers: readonly string[];
}

/** What an archive of `docker save` holds, as an OCI layout would hold it. */
export interface DockerContents {
  /** For index.json: one descriptor for each name, one for an image without any. */
  readonly manifests: readonly Descriptor[];
  /** Manifests that were made for the images. */
  readonly made: ReadonlyMap<Digest, Uint8Array>;
  readonly blobs: ReadonlyMap<Digest, Located>;
}

const layerTypes: Readonly<Partial<Record<Compression, string>>> = {
  none: mediaTypes.ociLayerTar,
  gzip: mediaTypes.ociLayerGzip,
  zstd: mediaTypes.ociLayerZstd,
};

/**
 * Reads manifest.json and the configs of an archive. A layer that is not compressed has the digest that the config
 * names, so that its bytes are not read; others are hashed.
 * @throws RegistryError MANIFEST_INVALID
 */
export async function readDockerForm(tar: TarFile, manifest: Located): Promise<DockerContents> {
  const manifests: Descriptor[] = [];
  const made = new Map<Digest, Uint8Array>();
  const blobs = new Map<Digest, Located>();
  for (const image of parseImages(await readSmall(tar, manifest, "manifest.json"))) {
    const config = require(tar, image.config);
    const configBytes = await readSmall(tar, config, image.config);
    const configDigest = digestOf(configBytes);
    blobs.set(configDigest, config);
    const layers = await layersOf(tar, image, configBytes);
    for (const { descriptor, located } of layers) blobs.set(descriptor.digest, located);
    const bytes = manifestBytes(
      configDigest,
      configBytes.byteLength,
      layers.map(({ descriptor }) => descriptor),
    );
    const descriptor = { mediaType: mediaTypes.ociManifest, digest: digestOf(bytes), size: bytes.byteLength };
    made.set(descriptor.digest, bytes);
    for (const name of image.names) {
      manifests.push({ ...descriptor, annotations: { [imageNameAnnotation]: name } });
    }
    if (image.names.length === 0) manifests.push(descriptor);
  }
  return { manifests, made, blobs };
}

function manifestBytes(digest: Digest, size: number, layers: readonly Descriptor[]): Uint8Array {
  const config = { mediaType: mediaTypes.ociConfig, digest, size };
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers };
  return new TextEncoder().encode(JSON.stringify(manifest));
}

function parseImages(bytes: Uint8Array): readonly DockerImage[] {
  let list: unknown;
  try {
    list = parseStrictJson(bytes);
  } catch (cause) {
    throw damaged(`its manifest.json is damaged: ${cause instanceof Error ? cause.message : cause}`, cause);
  }
  if (!Array.isArray(list)) throw damaged("its manifest.json is not a list");
  return list.map((item: unknown) => {
    const { Config, RepoTags, Layers } = (item ?? {}) as Record<string, unknown>; // safe: each is checked
    const names = RepoTags ?? [];
    const layers = Layers ?? [];
    if (typeof Config !== "string" || !isTexts(names) || !isTexts(layers)) {
      throw damaged("its manifest.json lacks a Config, or RepoTags or Layers are not lists of texts");
    }
    return { config: Config, names, layers };
  });
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

interface DockerLayer {
  readonly descriptor: Descriptor;
  readonly located: Located;
}

async function layersOf(
  tar: TarFile,
  image: DockerImage,
  configBytes: Uint8Array,
): Promise<readonly DockerLayer[]> {
  const diffIds = diffIdsOf(configBytes, image.config);
  if (diffIds.length !== image.layers.length) {
    throw damaged(
      `its manifest.json names ${image.layers.length} layers for ${quote(image.config)}, which has ${diffIds.length}`,
    );
  }
  const layers: DockerLayer[] = [];
  for (const [at, name] of image.layers.entries()) {
    const located = require(tar, name);
    const start = await tar.read({ ...located, size: Math.min(magicSize, located.size) });
    const compression = compressionOf(start);
    const mediaType = layerTypes[compression];
    if (!mediaType)
      throw damaged(`its layer ${quote(name)} is compressed with ${compression}, which no image may be`);
    const diffId = diffIds[at];
    const digest = compression === "none" && diffId ? diffId : await digestOfPart(tar, located);
    layers.push({ descriptor: { mediaType, digest, size: located.size }, located });
  }
  return layers;
}

/** The digests of an image's layers as they are when they are not compressed. @throws RegistryError MANIFEST_INVALID */
export function diffIdsOf(configBytes: Uint8Array, where: string): readonly Digest[] {
  const { rootfs } = parseObject(configBytes, `config ${quote(where)}`);
  const { diff_ids: diffIds } = (rootfs ?? {}) as { readonly diff_ids?: unknown }; // safe: it is checked
  if (diffIds === undefined || diffIds === null) return [];
  if (isTexts(diffIds) && diffIds.every(isDigest)) return diffIds;
  throw damaged(`config ${quote(where)} is damaged: its rootfs.diff_ids are not digests`);
}

async function digestOfPart(tar: TarFile, located: Located): Promise<Digest> {
  const hasher = createHasher("sha256");
  for await (const piece of piecesOf(await openPart(tar, located))) hasher.update(piece);
  return hasher.digest();
}

/** Streams a part of an archive. */
export function openPart(
  { path }: TarFile,
  { offset, size }: Located,
  range: { readonly first: number; readonly last: number } = { first: 0, last: size - 1 },
): Promise<ReadableStream<Uint8Array>> {
  const part = { first: offset + range.first, last: offset + range.last };
  return streamFile(path, part, (at) => damaged(`${path} is cut off: it ends at byte ${at}`));
}

function require(tar: TarFile, name: string): Located {
  const located = tar.find(name);
  if (!located) throw damaged(`its manifest.json names ${quote(name)}, which is not in it`);
  return located;
}

async function readSmall(tar: TarFile, located: Located, name: string): Promise<Uint8Array> {
  if (located.size > maxManifestSize) throw damaged(`its ${quote(name)} has ${located.size} bytes, too many`);
  return tar.read(located);
}

function damaged(message: string, cause?: unknown): RegistryError {
  return new RegistryError("MANIFEST_INVALID", message, { cause });
}
