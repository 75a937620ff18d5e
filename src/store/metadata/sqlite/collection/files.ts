import type { CollectionMetadata, FileStep, RemovedFile } from "../../collection.ts";
import type { Collected } from "../../collection-decisions.ts";
import type { SqliteDatabase } from "../database.ts";

/** Files whose blobs have no row any more. */
export interface RemovedFiles {
  readonly metadata: Pick<CollectionMetadata, "addRemovedFile" | "listRemovedFiles" | "noteTaken">;
  /** Forgets files that are gone, inside a transaction. @returns what they gave back */
  forget(files: readonly RemovedFile[]): Pick<Collected, "blobs" | "bytes">;
  /** Takes the next files away, inside a transaction, so that no upload of their digests comes between. */
  withdraw(step: FileStep): { readonly taken: readonly RemovedFile[]; readonly more: boolean };
}

export function createRemovedFiles(database: SqliteDatabase): RemovedFiles {
  const { prepare, write } = database;
  const list = prepare<RemovedFile & { taken: number }, [number, number]>(
    "SELECT id, digest, size, taken FROM removed_files WHERE id > ? ORDER BY id LIMIT ?",
  );
  const forget = prepare<{ size: number }, [number]>("DELETE FROM removed_files WHERE id = ? RETURNING size");
  const noteTaken = prepare<null, [number]>("UPDATE removed_files SET taken = 1 WHERE id = ?");
  const noteAbsent = prepare<null, [number]>("UPDATE removed_files SET taken = 1, size = 0 WHERE id = ?");
  const add = prepare<null, [string, number]>(
    "INSERT OR IGNORE INTO removed_files (digest, size) VALUES (?, ?)",
  );
  const isBlob = createBlobFinder(database);
  const inPlace = prepare<{ id: number }, [string]>(
    "SELECT id FROM removed_files WHERE digest = ? AND taken = 0",
  );

  /** @returns whether the file is away */
  const take = (file: RemovedFile, isTaken: boolean, { take }: FileStep): boolean => {
    const { id, digest } = file;
    if (isBlob(digest) || (isTaken && inPlace.get(digest) !== null)) {
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
    metadata: {
      addRemovedFile: (digest, size) =>
        write(() => {
          if (!isBlob(digest)) add.run(digest, size);
        }),
      listRemovedFiles: (limit, after = 0) => list.all(after, limit).map(({ taken: _, ...file }) => file),
      noteTaken: (ids) => write(() => ids.forEach((id) => void noteTaken.run(id))),
    },
    forget(files) {
      const rows = files.flatMap(({ id }) => forget.get(id) ?? []);
      return { blobs: rows.length, bytes: rows.reduce((bytes, { size }) => bytes + size, 0) };
    },
    withdraw(step) {
      const rows = list.all(step.after, step.limit);
      const taken = rows.filter(({ taken, ...file }) => take(file, taken !== 0, step));
      return { taken, more: rows.length === step.limit };
    },
  };
}

/** Says whether there is a blob that has a file. */
function createBlobFinder({ prepare }: SqliteDatabase): (digest: string) => boolean {
  const find = prepare<{ id: number }, [string]>(
    "SELECT id FROM blobs WHERE digest = ? AND NOT EXISTS (SELECT 1 FROM small_blobs WHERE blob_id = blobs.id)",
  );
  return (digest) => find.get(digest) !== null;
}
