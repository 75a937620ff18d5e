import { renameSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Digest, encodedOf } from "../../oci/digests.ts";
import { forEachBounded } from "../../registry/concurrency.ts";
import { errorCode, syncFolder, unlinkIfThere } from "../../registry/files/durable.ts";
import type { RemovedFile } from "../metadata/collection.ts";

/** Removes blobs' files in two steps: the first is quick enough to stand inside a transaction. */
export interface FileRemoval {
  /** Takes a file away from where blobs are looked for. Nothing happens when it is not there. */
  take(file: RemovedFile): void;
  /** Deletes what was taken. Resolves when that is durable: not even a power failure brings a file back. */
  erase(files: readonly RemovedFile[]): Promise<void>;
  /** Deletes what a process that was killed had taken. */
  recover(): Promise<void>;
}

/** How many files are deleted at once: a large one takes the system some time. */
const concurrency = 4;

/** @param folder where files are between the two steps, on the file system of the blobs */
export function createFileRemoval(folder: string, pathOf: (digest: Digest) => string): FileRemoval {
  const takenPath = ({ id, digest }: RemovedFile): string => join(folder, `${encodedOf(digest)}.${id}`);
  return {
    take(file) {
      try {
        renameSync(pathOf(file.digest), takenPath(file));
      } catch (error) {
        if (errorCode(error) !== "ENOENT") throw error;
      }
    },
    async erase(files) {
      await forEachBounded(files, concurrency, (file) => unlinkIfThere(takenPath(file)));
      const folders = new Set(files.map(({ digest }) => dirname(pathOf(digest))));
      // The first sync makes most file systems write what the others would.
      await forEachBounded([...folders], concurrency, (at) =>
        syncFolder(at).catch((error) => {
          if (errorCode(error) !== "ENOENT") throw error;
        }),
      );
    },
    async recover() {
      for (const name of await readdir(folder)) await unlinkIfThere(join(folder, name));
    },
  };
}
