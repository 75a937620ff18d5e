import { existsSync, renameSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import { type Digest, encodedOf } from "../../oci/digests.ts";
import { forEachBounded } from "../../registry/concurrency.ts";
import { errorCode, syncFolder, unlinkIfThere } from "../../registry/files/durable.ts";
import type { FileWithdrawal, RemovedFile } from "../metadata/collection.ts";
import { toldOnce } from "../told-once.ts";

/**
 * Removes blobs' files in two steps: the first is quick enough to stand inside a transaction. A file that cannot be
 * removed is told of, and holds up no other.
 */
export interface FileRemoval {
  /** Takes a file away from where blobs are looked for. */
  take(file: RemovedFile): FileWithdrawal;
  /** Deletes what was taken. Resolves to what is gone when that is durable: not even a power failure brings it back. */
  erase(files: readonly RemovedFile[]): Promise<readonly RemovedFile[]>;
  /** Deletes what a process that was killed had taken, after `note` was told the ids of these files. */
  recover(note: (ids: readonly number[]) => Promise<void>): Promise<void>;
}

/** How many files are deleted at once: a large one takes the system some time. */
const concurrency = 4;

/**
 * @param folder where files are between the two steps, on the file system of the blobs
 * @param troubled told once of each file that cannot be removed, and why
 */
export function createFileRemoval(
  folder: string,
  pathOf: (digest: Digest) => string,
  troubled: (what: string) => void,
): FileRemoval {
  const takenPath = ({ id, digest }: RemovedFile): string => join(folder, `${encodedOf(digest)}.${id}`);
  const tellOnce = toldOnce(troubled);
  const tell = (path: string, error: unknown): false => {
    const why = error instanceof Error ? error.message : String(error);
    tellOnce(`${path} cannot be removed, see what is in its way: it is tried again later: ${why}`);
    return false;
  };
  const unlinked = (path: string): Promise<boolean> =>
    unlinkIfThere(path).then(
      () => true,
      (error) => tell(path, error),
    );
  const isDurable = (at: string): Promise<boolean> =>
    syncFolder(at).then(
      () => true,
      (error) => errorCode(error) === "ENOENT" || tell(at, error),
    );
  return {
    take(file) {
      const path = pathOf(file.digest);
      try {
        renameSync(path, takenPath(file));
        return "taken";
      } catch (error) {
        if (errorCode(error) !== "ENOENT") {
          tell(path, error);
          return "stuck";
        }
        return existsSync(takenPath(file)) ? "taken" : "absent";
      }
    },
    async erase(files) {
      const gone = new Set<RemovedFile>();
      await forEachBounded(files, concurrency, async (file) => {
        if (await unlinked(takenPath(file))) gone.add(file);
      });
      const folderOf = ({ digest }: RemovedFile): string => dirname(pathOf(digest));
      const durable = new Set<string>();
      // The first sync makes most file systems write what the others would.
      await forEachBounded([...new Set(files.map(folderOf))], concurrency, async (at) => {
        if (await isDurable(at)) durable.add(at);
      });
      return files.filter((file) => gone.has(file) && durable.has(folderOf(file)));
    },
    async recover(note) {
      const found = await readdir(folder, { withFileTypes: true });
      const ids = found.flatMap((entry) => (entry.isFile() ? Number(extname(entry.name).slice(1)) : []));
      const known = ids.filter(Number.isSafeInteger);
      if (known.length > 0) await note(known);
      for (const { name } of found) await unlinked(join(folder, name));
    },
  };
}
