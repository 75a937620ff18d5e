import { arch } from "node:os";
import type { Platform } from "../../oci/descriptors.ts";
import { algorithmOf, type Digest, encodedOf } from "../../oci/digests.ts";
import { mediaTypes } from "../../oci/media-types.ts";
import { familiarReference } from "../../oci/references.ts";
import { openBlob } from "../../registry/blobs.ts";
import { piecesOf } from "../../registry/pieces.ts";
import { createVerifier } from "../../registry/verification.ts";
import { imageNameAnnotation, placeKey, refNameAnnotation } from "../names.ts";
import { blockSize, formatHeader, padded } from "../tar/headers.ts";
import { layoutVersionBytes } from "../version.ts";
import { type Gathered, type GatheredBlob, gather, type ImageToSave, type RunnableImage } from "./gather.ts";

/** Options of what writes archives. */
export interface ArchiveOptions {
  readonly signal?: AbortSignal;
  /** Which image of an index `docker load` is told of; that of this machine, for Linux, if absent. */
  readonly platform?: Platform;
  /** Told, as a blob is written, how many of its bytes have been. */
  readonly onBytes?: (digest: Digest, bytes: number) => void;
}

/** Architectures that Go names otherwise than Node. */
const architectures: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386", ppc64: "ppc64le" };

/** The platform of images that run on this machine's docker. */
export const hostPlatform: Platform = { os: "linux", architecture: architectures[arch()] ?? arch() };

/**
 * The bytes of a tar archive that is an OCI image layout and what `docker load` reads, as docker writes it since its
 * version 25: all blobs as they are, so that every digest stays, an index with all its platforms.
 * @throws RegistryError what reading the images throws; DIGEST_INVALID or SIZE_INVALID when a blob is damaged
 */
export async function* archiveOf(
  images: readonly ImageToSave[],
  { signal, platform = hostPlatform, onBytes }: ArchiveOptions = {},
): AsyncGenerator<Uint8Array> {
  const gathered = await gather(images, { platform, ...(signal ? { signal } : {}) });
  const { manifests, blobs, runnable } = gathered;
  const contents = { index: indexOf(gathered), manifests, blobs, runnable, files: new Map() };
  yield* archiveOfContents(contents, { ...(signal ? { signal } : {}), ...(onBytes ? { onBytes } : {}) });
}

/** What an archive shall hold, each thing once. */
export interface ArchiveContents extends Pick<Gathered, "manifests" | "blobs" | "runnable"> {
  /** The content of index.json. */
  readonly index: unknown;
  /** Further small files by name, which other programs pass over. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** The bytes of an archive as {@link archiveOf} writes it, of what is at hand. @throws as `archiveOf` */
export async function* archiveOfContents(
  { index, manifests, blobs, runnable, files }: ArchiveContents,
  { signal, onBytes }: Pick<ArchiveOptions, "signal" | "onBytes"> = {},
): AsyncGenerator<Uint8Array> {
  yield* smallFile("oci-layout", layoutVersionBytes);
  yield* smallFile("index.json", jsonBytes(index));
  yield* smallFile("manifest.json", jsonBytes(runnable.map(dockerImageOf)));
  for (const [name, bytes] of files) yield* smallFile(name, bytes);
  yield* folder("blobs");
  for (const algorithm of new Set([...manifests.keys(), ...blobs.keys()].map(algorithmOf))) {
    yield* folder(`blobs/${algorithm}`);
  }
  for (const [digest, { bytes }] of manifests) yield* smallFile(blobName(digest), bytes);
  for (const [digest, blob] of blobs) {
    if (manifests.has(digest)) continue;
    yield formatHeader({ name: blobName(digest), size: blob.descriptor.size, type: "file" });
    yield* verifiedPieces(blob, { signal, onBytes });
    yield* padding(blob.descriptor.size);
  }
  yield endMark;
}

/** A blob's bytes, verified as they pass. */
export async function* verifiedPieces(
  { descriptor, place }: GatheredBlob,
  { signal, onBytes }: { signal?: AbortSignal | undefined; onBytes?: ArchiveOptions["onBytes"] | undefined },
): AsyncGenerator<Uint8Array> {
  const { digest, size } = descriptor;
  const options = signal ? { signal } : {};
  const verifier = createVerifier(descriptor, {
    ...options,
    ...(onBytes ? { onBytes: (bytes: number) => onBytes(digest, bytes) } : {}),
  });
  try {
    const handle = await place.registry.getBlob(place.repository, digest, { ...options, size });
    yield* piecesOf(verifier.pass(() => openBlob(handle, undefined, options)));
  } finally {
    verifier.stop();
  }
}

function indexOf({ tops }: Gathered): unknown {
  const manifests = tops.map(({ image: { name }, descriptor }) => {
    if (!name) return descriptor;
    const annotations = {
      [imageNameAnnotation]: `${placeKey(name)}:${name.tag}`,
      [refNameAnnotation]: name.tag,
    };
    return { ...descriptor, annotations };
  });
  return { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
}

function dockerImageOf({ manifest, names }: RunnableImage): unknown {
  return {
    Config: blobName(manifest.config.digest),
    RepoTags: repoTagsOf(names),
    Layers: manifest.layers.map(({ digest }) => blobName(digest)),
  };
}

/** Names as docker shows them; null when there are none, as docker writes it. */
export function repoTagsOf(names: RunnableImage["names"]): readonly string[] | null {
  return names.length > 0 ? names.map(familiarReference) : null;
}

function blobName(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${encodedOf(digest)}`;
}

/** A value as JSON in UTF-8. */
export function jsonBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** A file's header and content. */
export function* smallFile(name: string, bytes: Uint8Array): Generator<Uint8Array> {
  yield formatHeader({ name, size: bytes.byteLength, type: "file" });
  if (bytes.byteLength > 0) yield bytes;
  yield* padding(bytes.byteLength);
}

function* folder(name: string): Generator<Uint8Array> {
  yield formatHeader({ name: `${name}/`, size: 0, type: "folder" });
}

/** What fills a content's last block. */
export function* padding(size: number): Generator<Uint8Array> {
  if (padded(size) > size) yield new Uint8Array(padded(size) - size);
}

/** Two blocks of zeros end a tar. */
export const endMark = new Uint8Array(2 * blockSize);
