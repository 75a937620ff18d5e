import { blobDescriptor, type Descriptor } from "../../oci/descriptors.ts";
import { algorithmOf, type Digest } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import type { RepositoryName } from "../../oci/names.ts";
import { checkRange } from "../blobs.ts";
import { createHasher } from "../hash.ts";
import type { BlobReader, BlobWriter, MountOptions } from "../registry.ts";
import { joinChunks, readBody, streamOf } from "../streams.ts";
import { type BlobState, ensureRepository, type MemoryState } from "./repositories.ts";

/** Stores bytes whose digest has been verified, and links them. */
export function linkBytes(
  state: MemoryState,
  name: RepositoryName,
  digest: Digest,
  chunks: readonly Uint8Array[],
): Descriptor {
  let blob = state.blobs.get(digest);
  if (!blob) {
    blob = { bytes: joinChunks(chunks), holders: new Set() };
    state.blobs.set(digest, blob);
  }
  return linkBlob(state, name, digest, blob);
}

/** The DIGEST_INVALID error of bytes that are not those that were announced. */
export function wrongDigest(what: string, announced: Digest, found: Digest): RegistryError {
  return new RegistryError(
    "DIGEST_INVALID",
    `${what} was announced as ${announced}, but its bytes have ${found}`,
  );
}

function linkBlob(state: MemoryState, name: RepositoryName, digest: Digest, blob: BlobState): Descriptor {
  ensureRepository(state, name).deletedBlobs.delete(digest);
  blob.holders.add(name);
  return blobDescriptor(digest, blob.bytes.byteLength);
}

/** The blob, if the repository links it. */
export function findBlob(state: MemoryState, name: RepositoryName, digest: Digest): BlobState | undefined {
  const blob = state.blobs.get(digest);
  return blob?.holders.has(name) ? blob : undefined;
}

function requireBlob(state: MemoryState, name: RepositoryName, digest: Digest): BlobState {
  const blob = findBlob(state, name, digest);
  if (!blob) throw new RegistryError("BLOB_UNKNOWN", `repository ${name} has no blob ${digest}`);
  return blob;
}

function isMountable(blob: BlobState, { from, mayRead = () => true }: MountOptions): boolean {
  if (from !== undefined) return blob.holders.has(from) && mayRead(from);
  for (const holder of blob.holders) if (mayRead(holder)) return true;
  return false;
}

/** Blobs in memory. */
export function createBlobs(state: MemoryState): BlobReader & BlobWriter {
  return {
    async getBlob(name, digest, options) {
      options?.signal?.throwIfAborted();
      const blob = requireBlob(state, name, digest);
      const descriptor = blobDescriptor(digest, blob.bytes.byteLength);
      return {
        descriptor,
        source: {
          kind: "stream",
          async open(range, { signal } = {}) {
            signal?.throwIfAborted();
            if (range) checkRange(descriptor, range);
            return streamOf(range ? blob.bytes.subarray(range.first, range.last + 1) : blob.bytes);
          },
        },
      };
    },
    async resolveBlob(name, digest, options) {
      options?.signal?.throwIfAborted();
      return blobDescriptor(digest, requireBlob(state, name, digest).bytes.byteLength);
    },
    async putBlob(name, { digest, size }, body, options) {
      const hasher = createHasher(algorithmOf(digest));
      const chunks: Uint8Array[] = [];
      await readBody(
        body,
        (chunk) => {
          hasher.update(chunk);
          chunks.push(chunk);
        },
        { size, signal: options?.signal },
      );
      const found = hasher.digest();
      if (found !== digest) throw wrongDigest("the blob", digest, found);
      return linkBytes(state, name, digest, chunks);
    },
    async mountBlob(name, digest, options = {}) {
      options.signal?.throwIfAborted();
      const blob = state.blobs.get(digest);
      if (!blob || !isMountable(blob, options)) return undefined;
      if (options.unlessDeleted && state.repositories.get(name)?.deletedBlobs.has(digest)) return undefined;
      return linkBlob(state, name, digest, blob);
    },
    async deleteBlob(name, digest, options) {
      options?.signal?.throwIfAborted();
      const blob = requireBlob(state, name, digest);
      const repository = ensureRepository(state, name);
      for (const [manifest, { neededBlobs }] of repository.manifests) {
        if (!neededBlobs.has(digest)) continue;
        throw new RegistryError(
          "UNSUPPORTED",
          `blob ${digest} is needed by manifest ${manifest} of ${name}: delete that manifest first`,
          { detail: { manifest } },
        );
      }
      repository.deletedBlobs.add(digest);
      blob.holders.delete(name);
      if (blob.holders.size === 0) state.blobs.delete(digest);
    },
  };
}
