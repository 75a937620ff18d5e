import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, type FileHandle, link, open } from "node:fs/promises";
import { join } from "node:path";
import { blobDescriptor, type Descriptor } from "../oci/descriptors.ts";
import { algorithmOf, type Digest } from "../oci/digests.ts";
import { RegistryError } from "../oci/errors.ts";
import type { RepositoryName } from "../oci/names.ts";
import { errorCode, unlinkIfThere } from "../registry/files/durable.ts";
import { digestOfFile } from "../registry/files/hash-file.ts";
import { asStorageError } from "../registry/files/receive.ts";
import { digestOf } from "../registry/hash.ts";
import type { OperationOptions } from "../registry/registry.ts";
import { type BlobPlace, storeFile } from "./blobs/place.ts";
import { smallBlobSize } from "./metadata/metadata.ts";
import { importEnding } from "./upload-files.ts";

/** How a blob came into the store: what is small stands with the metadata. */
export type Taken = "small" | "linked" | "copied";

/** How files of this machine become blobs. */
export interface LocalFileOptions {
  /** By a hard link where the file system has one, so that both share the bytes; else, and elsewhere, by a copy. */
  readonly links: boolean;
  /** Takes a file's name for its digest; its size is checked nevertheless, and what is small is read anyhow. */
  readonly trusts: boolean;
  /** Told of each blob, with its bytes. */
  readonly onTaken?: (how: Taken, size: number) => void;
}

/** Makes blobs of files of this machine. */
export interface LocalFiles {
  /**
   * Resolves when the blob is durable and linked to the repository. The file stays and is not changed.
   * @throws RegistryError SIZE_INVALID; DIGEST_INVALID; STORAGE_FULL; what the file system says
   */
  take(
    repository: RepositoryName,
    expected: Pick<Descriptor, "digest" | "size">,
    path: string,
    options?: OperationOptions,
  ): Promise<Descriptor>;
}

/** Why there can be no hard link, so that a copy is made: another file system, or one without; whose the file is. */
const unlinkable = new Set(["EXDEV", "EPERM", "EACCES", "EMLINK", "EOPNOTSUPP", "ENOTSUP", "ENOSYS"]);

/** @param folder on the file system of the blobs, for files on their way */
export function createLocalFiles(
  place: BlobPlace,
  folder: string,
  { links, trusts, onTaken }: LocalFileOptions,
): LocalFiles {
  /** Gives the bytes a second name in `folder`, or copies them there. */
  const bring = async (path: string, target: string): Promise<"linked" | "copied"> => {
    if (links) {
      try {
        await link(path, target);
        return "linked";
      } catch (error) {
        if (!unlinkable.has(errorCode(error))) throw error;
      }
    }
    await copyFile(path, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    return "copied";
  };

  const store = async (
    repository: RepositoryName,
    expected: Expected,
    path: string,
    options: OperationOptions,
  ): Promise<Taken> => {
    const target = join(folder, `${randomUUID()}${importEnding}`);
    let file: FileHandle | undefined;
    try {
      const how = await bring(path, target);
      file = await open(target, "r");
      await checkSize(file, path, expected);
      const { digest } = expected;
      if (!trusts) refuseOther(path, digest, await digestOfFile(file, algorithmOf(digest), options));
      await storeFile(place, repository, { ...expected, path: target, fd: file.fd }, 0);
      return how;
    } catch (error) {
      throw asStorageError(error);
    } finally {
      await file?.close();
      await unlinkIfThere(target);
    }
  };

  return {
    async take(repository, { digest, size }, path, options = {}) {
      options.signal?.throwIfAborted();
      let how: Taken = "small";
      if (size <= smallBlobSize) {
        const bytes = await readSmall(path, { digest, size });
        await place.link(repository, { digest, size, bytes }, 0);
      } else {
        how = await store(repository, { digest, size }, path, options);
      }
      onTaken?.(how, size);
      return blobDescriptor(digest, size);
    },
  };
}

type Expected = Pick<Descriptor, "digest" | "size">;

async function checkSize(file: FileHandle, path: string, { digest, size }: Expected): Promise<void> {
  const { size: found } = await file.stat();
  if (found === size) return;
  const fault = found < size ? "cut off" : "too long";
  throw new RegistryError(
    "SIZE_INVALID",
    `${path} is ${fault}: it has ${found} bytes, blob ${digest} has ${size}`,
  );
}

function refuseOther(path: string, digest: Digest, found: Digest): void {
  if (found === digest) return;
  throw new RegistryError(
    "DIGEST_INVALID",
    `${path} is damaged: its bytes have the digest ${found}, not ${digest}`,
  );
}

async function readSmall(path: string, expected: Expected): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    await checkSize(file, path, expected);
    const bytes = await file.readFile();
    refuseOther(path, expected.digest, digestOf(bytes, algorithmOf(expected.digest)));
    return bytes;
  } finally {
    await file.close();
  }
}
