import { randomUUID } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { blobDescriptor } from "../oci/descriptors.ts";
import { algorithmOf, type Digest, type DigestAlgorithm } from "../oci/digests.ts";
import { isRegistryError, RegistryError } from "../oci/errors.ts";
import type { RepositoryName } from "../oci/names.ts";
import { unlinkIfThere } from "../registry/files/durable.ts";
import { digestOfFile } from "../registry/files/hash-file.ts";
import { asStorageError, interrupted, receive } from "../registry/files/receive.ts";
import { createHasher, digestOf, type Hasher } from "../registry/hash.ts";
import type { AppendOptions, BlobWriter, UploadSession, UploadWriter } from "../registry/registry.ts";
import { bytesOf } from "../registry/streams.ts";
import { type BlobPlace, storeFile } from "./blobs/place.ts";
import type { LocalFiles } from "./local-files.ts";
import { smallBlobSize } from "./metadata/metadata.ts";
import type { DigestNote } from "./upload-claims.ts";
import type { UploadFiles } from "./upload-files.ts";

/** What uploads stand on. */
export interface UploadOptions extends BlobPlace {
  readonly sessions: UploadFiles;
  /** A transfer that stands still for this long is given up. */
  readonly stallMs: number;
  /** Makes blobs of files that are elsewhere on this machine; absent where nobody may say which. */
  readonly localFiles?: LocalFiles | undefined;
}

/** The digest so far of a session that this process wrote from its beginning. */
interface Progress {
  readonly hasher: Hasher;
  readonly offset: number;
}

/** The most sessions whose digest so far is kept in memory. */
const mostProgress = 10_000;

/** Uploads into files beside the blobs: bytes arrive there, are verified, and then become a blob by a change of name. */
export function createUploads(options: UploadOptions): UploadWriter & Pick<BlobWriter, "putBlob"> {
  const { sessions, link, stallMs, localFiles } = options;
  // The state of a hash cannot be written down, only the digest so far: another process that ends a session uses it,
  // one that adds to it has all bytes read again at the end.
  const progress = new Map<string, Progress>();
  const remember = (id: string, reached: Progress): void => {
    for (const oldest of progress.keys()) {
      if (progress.size < mostProgress) break;
      progress.delete(oldest); // given up, or ended by another process; if not, its bytes are read again
    }
    progress.set(id, reached);
  };
  /** Appends whose sender is gone, until they have ended: whoever asks next finds all that they leave behind. */
  const ending = new Map<string, Promise<void>>();

  /** Verifies and adopts the file at `path`, which is gone afterwards, whatever happens. */
  const finish = async (
    repository: RepositoryName,
    file: { readonly path: string; readonly handle: FileHandle; readonly size: number },
    expected: Digest,
    actual: Digest,
  ): Promise<void> => {
    checkDigest(expected, actual, file.size);
    const blob = { digest: expected, size: file.size };
    const bytes = file.size <= smallBlobSize ? await readWhole(file.handle, file.size) : undefined;
    if (bytes) await link(repository, { ...blob, bytes }, file.size);
    else await storeFile(options, repository, { ...blob, path: file.path, fd: file.handle.fd }, file.size);
    await unlinkIfThere(file.path);
  };

  const append = async (
    repository: RepositoryName,
    id: string,
    body: ReadableStream<Uint8Array>,
    { offset, size, algorithm, signal, isHandedOver }: AppendOptions,
  ): Promise<UploadSession> => {
    const claimed = await sessions.claim(repository, id);
    let keep = true;
    try {
      const start = claimed.size;
      if (offset !== undefined && offset !== start) throw outOfOrder(offset, start);
      if (claimed.isBlob) throw isWhole(start);
      const hasher = resumeHasher(progress.get(id), start, algorithm);
      progress.delete(id);
      const received = await receive(claimed.handle.fd, body, {
        position: start,
        hasher,
        size,
        signal,
        stallMs,
        isHandedOver,
      });
      if (received.error instanceof RegistryError && received.error.code === "STORAGE_FULL") keep = false;
      else if (hasher) remember(id, { hasher, offset: start + received.size });
      if ("error" in received) throw received.error;
      return { repository, id, offset: start + received.size };
    } finally {
      if (keep) await claimed.release(() => noteOf(progress.get(id)));
      else await claimed.remove();
    }
  };

  return {
    async startUpload(repository) {
      const id = randomUUID();
      await sessions.create(repository, id);
      return { repository, id, offset: 0 };
    },

    async getUpload(repository, id) {
      await ending.get(id);
      return { repository, id, offset: await sessions.size(repository, id) };
    },

    async appendUpload(repository, id, body, options = {}) {
      await ending.get(id);
      const { signal } = options;
      const run = append(repository, id, body, options);
      const onAbort = (): void => {
        const ended = run.then(
          () => {},
          () => {}, // told to whoever appends
        );
        ending.set(id, ended);
        void ended.then(() => ending.delete(id));
      };
      if (signal?.aborted) onAbort();
      signal?.addEventListener("abort", onAbort, { once: true });
      return run.finally(() => signal?.removeEventListener("abort", onAbort));
    },

    async finishUpload(repository, id, digest) {
      await ending.get(id);
      const claimed = await sessions.claim(repository, id);
      const known = progress.get(id);
      progress.delete(id);
      try {
        const note = noteOf(known) ?? claimed.note;
        const isHashed = note?.offset === claimed.size && algorithmOf(note.digest) === algorithmOf(digest);
        const actual = isHashed ? note.digest : await digestOfFile(claimed.handle, algorithmOf(digest));
        await finish(repository, claimed, digest, actual);
        await claimed.forget();
      } catch (error) {
        if (isRegistryError(error, "UNAVAILABLE")) {
          if (known) remember(id, known); // the same request can be sent again
          await claimed.release(() => noteOf(known) ?? claimed.note);
        } else await claimed.remove();
        throw asStorageError(error);
      }
      return blobDescriptor(digest, claimed.size);
    },

    async cancelUpload(repository, id) {
      await ending.get(id);
      progress.delete(id);
      await sessions.discard(repository, id);
    },

    async putBlob(repository, { digest, size }, body, { signal, isHandedOver, file } = {}) {
      if (file !== undefined && size !== undefined && localFiles) {
        await body.cancel();
        return localFiles.take(repository, { digest, size }, file, signal ? { signal } : {});
      }
      if (size !== undefined && size <= smallBlobSize) {
        const bytes = await bytesOf(body, { size, signal }).catch((cause) => {
          signal?.throwIfAborted();
          throw interrupted(0, size, cause);
        });
        checkDigest(digest, digestOf(bytes, algorithmOf(digest)), size);
        await link(repository, { digest, size, bytes }, size);
        return blobDescriptor(digest, size);
      }
      const path = join(sessions.folder, `${randomUUID()}.put`);
      const handle = await open(path, "wx+").catch((error) => {
        throw asStorageError(error);
      });
      const hasher = createHasher(algorithmOf(digest));
      try {
        const received = await receive(handle.fd, body, {
          position: 0,
          hasher,
          size,
          signal,
          stallMs,
          isHandedOver,
        });
        if ("error" in received) throw received.error;
        await finish(repository, { path, handle, size: received.size }, digest, hasher.digest());
        return blobDescriptor(digest, received.size);
      } catch (error) {
        await unlink(path).catch(() => {}); // it may have become the blob already
        throw asStorageError(error);
      } finally {
        await handle.close();
      }
    },
  };
}

function checkDigest(expected: Digest, actual: Digest, size: number): void {
  if (actual === expected) return;
  throw new RegistryError(
    "DIGEST_INVALID",
    `the ${size} bytes that were sent have the digest ${actual}, not ${expected}: send the upload again`,
    { detail: { expected, actual } },
  );
}

function noteOf(known: Progress | undefined): DigestNote | undefined {
  return known && { digest: known.hasher.digestSoFar(), offset: known.offset };
}

/** The hasher to go on with, or `undefined` when the bytes before `offset` were not hashed here. */
function resumeHasher(known: Progress | undefined, offset: number, algorithm: DigestAlgorithm = "sha256") {
  if (known?.offset === offset) return known.hasher;
  return offset === 0 ? createHasher(algorithm) : undefined;
}

// "If a chunk is uploaded out of order, the registry MUST respond with a 416 Requested Range Not Satisfiable code."
function outOfOrder(found: number, expected: number): RegistryError {
  return new RegistryError(
    "UPLOAD_RANGE_INVALID",
    `the chunk begins at byte ${found}, but the upload has ${expected} bytes: go on from ${expected}`,
    { detail: { offset: expected } },
  );
}

function isWhole(size: number): RegistryError {
  return new RegistryError(
    "UPLOAD_RANGE_INVALID",
    `all ${size} bytes of this upload are stored already: end it with a PUT without a body`,
    { detail: { offset: size } },
  );
}

async function readWhole(handle: FileHandle, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  await handle.read(bytes, 0, size, 0);
  return bytes;
}
