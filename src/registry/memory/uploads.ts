import { algorithmOf } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import type { RepositoryName } from "../../oci/names.ts";
import { createHasher, type Hasher } from "../hash.ts";
import type { UploadSession, UploadWriter } from "../registry.ts";
import { readBody } from "../streams.ts";
import { linkBytes, wrongDigest } from "./blobs.ts";
import type { MemoryState } from "./repositories.ts";

interface Upload {
  readonly repository: RepositoryName;
  readonly id: string;
  readonly chunks: Uint8Array[];
  offset: number;
  /** Of all bytes so far; of the algorithm that was hinted at. */
  hasher: Hasher;
  writing: boolean;
  /** When it was last written to, in milliseconds since 1970. */
  touchedMs: number;
}

/** How long sessions live, and by which clock. */
export interface UploadOptions {
  readonly lifetimeMs: number;
  readonly now: () => number;
}

/** The open upload sessions of an in-memory registry. */
export interface MemoryUploads extends UploadWriter {
  /** How many sessions there are. */
  count(): number;
}

/** Upload sessions in memory. */
export function createUploads(state: MemoryState, { lifetimeMs, now }: UploadOptions): MemoryUploads {
  const uploads = new Map<string, Upload>();

  const find = (repository: RepositoryName, id: string): Upload => {
    const upload = uploads.get(id);
    if (upload?.repository === repository && !isExpired(upload)) return upload;
    throw new RegistryError(
      "BLOB_UPLOAD_UNKNOWN",
      `repository ${repository} has no such upload, or no longer: begin a new one`,
    );
  };
  const isExpired = (upload: Upload): boolean => !upload.writing && now() - upload.touchedMs > lifetimeMs;
  const dropExpired = (): void => {
    for (const upload of uploads.values()) if (isExpired(upload)) uploads.delete(upload.id);
  };

  return {
    count: () => uploads.size,
    async startUpload(repository, { algorithm = "sha256", signal } = {}) {
      signal?.throwIfAborted();
      dropExpired();
      const upload: Upload = {
        repository,
        id: crypto.randomUUID(),
        chunks: [],
        offset: 0,
        hasher: createHasher(algorithm),
        writing: false,
        touchedMs: now(),
      };
      uploads.set(upload.id, upload);
      return sessionOf(upload);
    },
    async getUpload(repository, id, options) {
      options?.signal?.throwIfAborted();
      return sessionOf(find(repository, id));
    },
    async appendUpload(repository, id, body, { offset, size, algorithm, signal } = {}) {
      const upload = find(repository, id);
      refuseWhileWriting(upload);
      if (offset !== undefined && offset !== upload.offset) throw wrongOffset(upload, offset);
      if (upload.offset === 0 && algorithm) upload.hasher = createHasher(algorithm);
      upload.writing = true;
      try {
        await readBody(body, (chunk) => append(upload, chunk), { size, signal });
      } finally {
        upload.writing = false;
        upload.touchedMs = now();
      }
      return sessionOf(find(repository, id)); // it may have been cancelled meanwhile
    },
    async finishUpload(repository, id, digest, options) {
      options?.signal?.throwIfAborted();
      const upload = find(repository, id);
      refuseWhileWriting(upload);
      uploads.delete(id);
      const found = digestOfUpload(upload, algorithmOf(digest));
      if (found !== digest) throw wrongDigest("the upload", digest, found);
      return linkBytes(state, repository, digest, upload.chunks);
    },
    async cancelUpload(repository, id, options) {
      options?.signal?.throwIfAborted();
      find(repository, id);
      uploads.delete(id);
    },
  };
}

function sessionOf({ repository, id, offset }: Upload): UploadSession {
  return { repository, id, offset };
}

function append(upload: Upload, chunk: Uint8Array): void {
  upload.hasher.update(chunk);
  upload.chunks.push(chunk);
  upload.offset += chunk.byteLength;
}

function digestOfUpload(upload: Upload, algorithm: Hasher["algorithm"]) {
  if (upload.hasher.algorithm === algorithm) return upload.hasher.digest();
  const hasher = createHasher(algorithm);
  for (const chunk of upload.chunks) hasher.update(chunk);
  return hasher.digest();
}

function refuseWhileWriting(upload: Upload): void {
  if (!upload.writing) return;
  throw new RegistryError(
    "UPLOAD_RANGE_INVALID",
    "another request is writing to this upload: wait for it, then ask for the offset",
  );
}

// "If the registry receives a chunk out of order, it MUST respond with a 416 Requested Range Not Satisfiable"
// https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks
function wrongOffset(upload: Upload, offset: number): RegistryError {
  return new RegistryError(
    "UPLOAD_RANGE_INVALID",
    `these bytes begin at ${offset}, but the upload has ${upload.offset}: go on from there`,
  );
}
