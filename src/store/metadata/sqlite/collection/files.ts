import type { CollectionMetadata, RemovedFile } from "../../collection.ts";
import type { SqliteDatabase } from "../database.ts";
import type { CountCollected } from "./reviews.ts";

type RemovedFiles = Pick<
  CollectionMetadata,
  "addRemovedFile" | "listRemovedFiles" | "withdrawFiles" | "forgetFiles"
>;

/** Files whose blobs have no row any more. */
export function createRemovedFiles(
  { prepare, write }: SqliteDatabase,
  isHeld: () => boolean,
  count: CountCollected,
): RemovedFiles {
  const list = prepare<RemovedFile, [number, number]>(
    "SELECT id, digest, size FROM removed_files WHERE id > ? ORDER BY id LIMIT ?",
  );
  const find = prepare<{ id: number }, [number]>("SELECT id FROM removed_files WHERE id = ?");
  const cameBack = prepare<{ id: number }, [string]>(
    "SELECT id FROM blobs WHERE digest = ? AND NOT EXISTS (SELECT 1 FROM small_blobs WHERE blob_id = blobs.id)",
  );
  const forget = prepare<{ size: number }, [number]>("DELETE FROM removed_files WHERE id = ? RETURNING size");
  const add = prepare<null, [string, number]>(
    "INSERT OR IGNORE INTO removed_files (digest, size) VALUES (?, ?)",
  );
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
          if (find.get(file.id) === null) continue;
          if (cameBack.get(file.digest) === null) {
            if (take(file)) taken.push(file);
          } else forget.get(file.id);
        }
        return taken;
      }),
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
