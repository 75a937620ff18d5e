import { createHash, randomUUID } from "node:crypto";
import { type FileHandle, open, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { blobDescriptor } from "../../oci/descriptors.ts";
import { algorithmOf, type DigestAlgorithm } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import type { RepositoryName } from "../../oci/names.ts";
import { syncFile } from "../../registry/files/durable.ts";
import { hashFile } from "../../registry/files/hash-file.ts";
import { asStorageError, receive } from "../../registry/files/receive.ts";
import { createHasher, type Hasher } from "../../registry/hash.ts";
import type { UploadWriter } from "../../registry/registry.ts";
import { type PlaceName, placeKey } from "../names.ts";
import { type BlobWriterOptions, linkFile } from "./blobs.ts";
import { ensureFolderFor, isMissing } from "./files.ts";
import { checkDigest } from "./ingest.ts";

/** The digest so far of a session that this process wrote from its beginning. */
interface Progress {
  readonly hasher: Hasher;
  readonly offset: number;
}

/** What is known of the sessions of one layout in this process. */
export interface UploadSessions {
  /** Files that somebody writes to. */
  readonly busy: Set<string>;
  readonly progress: Map<string, Progress>;
}

const idShape = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Upload sessions in a folder: one file each, whose length is the offset and whose name says whose it is. They can be
 * gone on with by another process, but only one process may write to a session at a time.
 */
export function createUploads(
  registry: PlaceName["registry"],
  options: BlobWriterOptions,
  { busy, progress }: UploadSessions,
): UploadWriter {
  const { disk, ingest } = options;
  const pathOf = (repository: RepositoryName, id: string): string => {
    if (!idShape.test(id)) throw unknownUpload(repository);
    const owner = createHash("sha256").update(placeKey({ registry, repository })).digest("hex").slice(0, 16);
    return join(ingest.folder, `${id}.${owner}.upload`);
  };
  const sizeOf = async (repository: RepositoryName, id: string): Promise<number> => {
    try {
      return (await stat(pathOf(repository, id))).size;
    } catch (error) {
      throw isMissing(error) ? unknownUpload(repository) : error;
    }
  };
  /** Lets one at a time work on a session's file. */
  const withFile = async <T>(
    repository: RepositoryName,
    id: string,
    act: (file: FileHandle, path: string, size: number) => Promise<T>,
  ): Promise<T> => {
    const path = pathOf(repository, id);
    if (busy.has(path)) throw takenUpload(id);
    busy.add(path);
    try {
      const size = await sizeOf(repository, id);
      const file = await open(path, "r+");
      try {
        return await act(file, path, size);
      } finally {
        await file.close();
      }
    } finally {
      busy.delete(path);
    }
  };

  return {
    async startUpload(repository, { signal } = {}) {
      signal?.throwIfAborted();
      await disk.current(); // before bytes come: whether this is a layout at all
      const id = randomUUID();
      const path = pathOf(repository, id);
      await ensureFolderFor(path, () => writeFile(path, "", { flag: "wx" }));
      return { repository, id, offset: 0 };
    },
    async getUpload(repository, id) {
      return { repository, id, offset: await sizeOf(repository, id) };
    },
    appendUpload: (repository, id, body, { offset, size, algorithm, signal } = {}) =>
      withFile(repository, id, async (file, path, start) => {
        if (offset !== undefined && offset !== start) throw wrongOffset(offset, start);
        const hasher = hasherAt(progress.get(path), start, algorithm);
        progress.delete(path);
        const received = await receive(file.fd, body, { position: start, hasher, size, signal });
        const end = start + received.size;
        if ("error" in received) await file.truncate(end);
        if (hasher) progress.set(path, { hasher, offset: end });
        if ("error" in received) throw received.error;
        return { repository, id, offset: end };
      }),
    finishUpload: (repository, id, digest, { signal } = {}) =>
      withFile(repository, id, async (file, path, size) => {
        signal?.throwIfAborted();
        const known = progress.get(path);
        progress.delete(path);
        try {
          const isHashed = known?.offset === size && known.hasher.algorithm === algorithmOf(digest);
          const hasher = isHashed ? known.hasher : createHasher(algorithmOf(digest));
          if (!isHashed) await hashFile(file, hasher);
          checkDigest({ digest }, hasher.digest());
          await syncFile(file.fd);
        } catch (error) {
          await ingest.discard(path);
          throw asStorageError(error);
        }
        await linkFile(options, { registry, repository }, digest, { path, size });
        return blobDescriptor(digest, size);
      }),
    cancelUpload: (repository, id) =>
      withFile(repository, id, async (_, path) => {
        progress.delete(path);
        await ingest.discard(path);
      }),
  };
}

/** The hasher to go on with, or `undefined` when the bytes before `offset` were not hashed here. */
function hasherAt(
  known: Progress | undefined,
  offset: number,
  algorithm: DigestAlgorithm = "sha256",
): Hasher | undefined {
  if (known?.offset === offset && (offset > 0 || known.hasher.algorithm === algorithm)) return known.hasher;
  return offset === 0 ? createHasher(algorithm) : undefined;
}

function unknownUpload(repository: RepositoryName): RegistryError {
  return new RegistryError(
    "BLOB_UPLOAD_UNKNOWN",
    `repository ${repository} has no such upload, or no longer: begin a new one`,
  );
}

function takenUpload(id: string): RegistryError {
  return new RegistryError(
    "UPLOAD_RANGE_INVALID",
    `another request is writing to upload ${id}: wait for it, then ask for the offset`,
  );
}

function wrongOffset(found: number, expected: number): RegistryError {
  return new RegistryError(
    "UPLOAD_RANGE_INVALID",
    `these bytes begin at ${found}, but the upload has ${expected}: go on from there`,
    { detail: { offset: expected } },
  );
}
