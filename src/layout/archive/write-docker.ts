import { randomUUID } from "node:crypto";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Descriptor } from "../../oci/descriptors.ts";
import { algorithmOf, type Digest, encodedOf } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import { maxManifestSize } from "../../oci/manifests.ts";
import { familiarName } from "../../oci/references.ts";
import type { Place } from "../../registry/copy/place.ts";
import { asStorageError, receive } from "../../registry/files/receive.ts";
import { streamFile } from "../../registry/files/stream-file.ts";
import { createHasher } from "../../registry/hash.ts";
import { piecesOf, streamOfPieces } from "../../registry/pieces.ts";
import { joinChunks } from "../../registry/streams.ts";
import { formatHeader } from "../tar/headers.ts";
import { unpacked } from "./compression.ts";
import { diffIdsOf } from "./docker-form.ts";
import { causeOf } from "./files.ts";
import { gather, type ImageToSave, type RunnableImage } from "./gather.ts";
import {
  type ArchiveOptions,
  endMark,
  hostPlatform,
  jsonBytes,
  padding,
  repoTagsOf,
  smallFile,
  verifiedPieces,
} from "./write.ts";

/** Options of {@link dockerArchiveOf}. */
export interface DockerArchiveOptions extends ArchiveOptions {
  /** Where layers are unpacked, one at a time; the system's folder for temporary files, if absent. */
  readonly scratch?: string;
}

interface UnpackedImage extends RunnableImage {
  readonly config: Uint8Array;
  readonly diffIds: readonly Digest[];
}

/**
 * The bytes of a tar archive as `docker save` wrote it before version 25: one platform of each image, layers unpacked,
 * so that they have the digests that the config names. For programs that read nothing else.
 * @throws RegistryError MANIFEST_INVALID when something is no image, or a layer cannot be unpacked; UNSUPPORTED for
 *   layers compressed with zstd where the runtime does not know it (Node before 22.15); what reading the images throws
 */
export async function* dockerArchiveOf(
  images: readonly ImageToSave[],
  { signal, platform = hostPlatform, onBytes, scratch = tmpdir() }: DockerArchiveOptions = {},
): AsyncGenerator<Uint8Array> {
  const { tops, runnable } = await gather(images, { platform, ...(signal ? { signal } : {}) });
  if (runnable.length === 0) {
    const digests = tops.map(({ descriptor }) => descriptor.digest).join(", ");
    throw new RegistryError("MANIFEST_INVALID", `${digests} has no image that docker could run`);
  }
  const withConfigs: UnpackedImage[] = [];
  for (const image of runnable) withConfigs.push(await readConfig(image, signal));

  yield* smallFile("manifest.json", jsonBytes(withConfigs.map(dockerImageOf)));
  yield* smallFile("repositories", jsonBytes(repositoriesOf(withConfigs)));
  const written = new Set<Digest>();
  const folder = await mkdtemp(join(scratch, "berth-save-"));
  try {
    for (const { manifest, place, config, diffIds } of withConfigs) {
      yield* smallFile(configName(manifest.config.digest), config);
      for (const [at, descriptor] of manifest.layers.entries()) {
        const diffId = diffIds[at];
        if (!diffId || written.has(diffId)) continue;
        written.add(diffId);
        yield* unpackedLayer({ descriptor, place, diffId, folder }, { signal, onBytes });
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  yield endMark;
}

async function readConfig(image: RunnableImage, signal: AbortSignal | undefined): Promise<UnpackedImage> {
  const { config: descriptor, layers } = image.manifest;
  if (descriptor.size > maxManifestSize) {
    throw new RegistryError(
      "MANIFEST_INVALID",
      `config ${descriptor.digest} has ${descriptor.size} bytes, too many`,
    );
  }
  const chunks: Uint8Array[] = [];
  for await (const piece of verifiedPieces({ descriptor, place: image.place }, { signal }))
    chunks.push(piece);
  const config = joinChunks(chunks);
  const diffIds = diffIdsOf(config, descriptor.digest);
  if (diffIds.length === layers.length) return { ...image, config, diffIds };
  throw new RegistryError(
    "MANIFEST_INVALID",
    `config ${descriptor.digest} names ${diffIds.length} layers, but its manifest ${layers.length}`,
  );
}

interface LayerToUnpack {
  readonly descriptor: Descriptor;
  readonly place: Place;
  readonly diffId: Digest;
  readonly folder: string;
}

/** How large a layer is unpacked is known when it has been; so it goes through a file. */
async function* unpackedLayer(
  { descriptor, place, diffId, folder }: LayerToUnpack,
  { signal, onBytes }: { signal: AbortSignal | undefined; onBytes: ArchiveOptions["onBytes"] },
): AsyncGenerator<Uint8Array> {
  const path = join(folder, randomUUID());
  const file = await open(path, "wx");
  let size = 0;
  try {
    const hasher = createHasher(algorithmOf(diffId));
    const pieces = unpacked(verifiedPieces({ descriptor, place }, { signal, onBytes }));
    const received = await receive(file.fd, streamOfPieces(pieces), { position: 0, hasher, signal });
    if ("error" in received) throw causeOf(received.error);
    size = received.size;
    const found = hasher.digest();
    if (found !== diffId) {
      throw new RegistryError(
        "DIGEST_INVALID",
        `layer ${descriptor.digest} unpacks to ${found}, but the image's config says ${diffId}`,
      );
    }
  } catch (error) {
    throw asStorageError(error);
  } finally {
    await file.close();
  }
  yield formatHeader({ name: layerName(diffId), size, type: "file" });
  const tooShort = (at: number) => new RegistryError("INTERNAL", `${path} ends at ${at} of ${size} bytes`);
  yield* piecesOf(await streamFile(path, { first: 0, last: size - 1 }, tooShort));
  yield* padding(size);
  await rm(path);
}

function dockerImageOf({ manifest, diffIds, names }: UnpackedImage): unknown {
  return {
    Config: configName(manifest.config.digest),
    RepoTags: repoTagsOf(names),
    Layers: diffIds.map(layerName),
  };
}

/** By repository and tag, the last layer. */
function repositoriesOf(images: readonly UnpackedImage[]): unknown {
  const repositories: Record<string, Record<string, string>> = {};
  for (const { names, diffIds } of images) {
    const last = diffIds.at(-1);
    for (const name of last ? names : []) {
      const repository = familiarName(name);
      repositories[repository] = { ...repositories[repository], [name.tag]: encodedOf(last as Digest) }; // just checked
    }
  }
  return repositories;
}

function configName(digest: Digest): string {
  return `${encodedOf(digest)}.json`;
}

function layerName(diffId: Digest): string {
  return `${encodedOf(diffId)}/layer.tar`;
}
