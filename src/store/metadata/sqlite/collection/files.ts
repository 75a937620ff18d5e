import type { CollectionMetadata, FileWithdrawal, RemovedFile } from "../../collection.ts";
import type { SqliteDatabase } from "../database.ts";
import type { CountCollected } from "./reviews.ts";

type RemovedFiles = Pick<
  CollectionMetadata,
  "addRemovedFile" | "listRemovedFiles" | "withdrawFiles" | "noteTaken" | "forgetFiles"
>;

type Take = (file: RemovedFile) => FileWithdrawal;

/** Files whose blobs have no row any more. */
export function createRemovedFiles(
  { prepare, write }: SqliteDatabase,
  isHeld: () => boolean,
  count: CountCollected,
): RemovedFiles {
  const list = prepare<RemovedFile, [number, number]>(
    "SELECT id, digest, size FROM removed_files WHERE id > ? ORDER BY id LIMIT ?",
  );
  const find = prepare<{ taken: number }, [number]>("SELECT taken FROM removed_files WHERE id = ?");
  const inPlace = prepare<{ id: number }, [string]>(
    "SELECT id FROM removed_files WHERE digest = ? AND taken = 0",
  );
  const noteTaken = prepare<null, [number]>("UPDATE removed_files SET taken = 1 WHERE id = ?");
  const noteAbsent = prepare<null, [number]>("UPDATE removed_files SET taken = 1, size = 0 WHERE id = ?");
  const cameBack = prepare<{ id: number }, [string]>(
    "SELECT id FROM blobs WHERE digest = ? AND NOT EXISTS (SELECT 1 FROM small_blobs WHERE blob_id = blobs.id)",
  );
  const forget = prepare<{ size: number }, [number]>("DELETE FROM removed_files WHERE id = ? RETURNING size");
  const add = prepare<null, [string, number]>(
    "INSERT OR IGNORE INTO removed_files (digest, size) VALUES (?, ?)",
  );
  /** @returns whether the file is away */
  const withdraw = (file: RemovedFile, take: Take): boolean => {
    const { id, digest } = file;
    const row = find.get(id);
    if (!row) return false;
    const isTaken = row.taken !== 0;
    if (cameBack.get(digest) !== null || (isTaken && inPlace.get(digest) !== null)) {
      if (!isTaken) forget.get(id); // the file is that of a blob
      return isTaken;
    }
    // Also what was taken: a power failure may have put it back.
    const withdrawal = take(file);
    if (withdrawal === "stuck") return false;
    if (!isTaken) (withdrawal === "absent" ? noteAbsent : noteTaken).run(id);
    return true;
  };
  return {
    addRemovedFile: (digest, size) =>
      write(() => {
        if (cameBack.get(digest) === null) add.run(digest, size);
      }),
    listRemovedFiles: (limit, after = 0) => list.all(after, limit),
    withdrawFiles: (files, take) =>
      write(() => {
        if (isHeld()) return undefined;
        const taken: RemovedFile[] = [];
        for (const file of files) {
          if (withdraw(file, take)) taken.push(file);
        }
        return taken;
      }),
    noteTaken: (ids) => write(() => ids.forEach((id) => void noteTaken.run(id))),
    forgetFiles: (run, files) =>
      write(() => {
        let blobs = 0;
        let bytes = 0;
        for (const { id } of files) {
          const row = forget.get(id);
          if (!row) continue;
          blobs++;
          bytes += row.size;
        }
        count(run, { manifests: 0, links: 0, blobs, bytes });
      }),
  };
}
