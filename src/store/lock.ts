import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { RegistryError } from "../oci/errors.ts";
import { errorCode, makeDurableFolder } from "../registry/files/durable.ts";
import { makeUsableFolder } from "./usable-folder.ts";

/** A folder that nobody else uses while it is locked. */
export interface FolderLock {
  release(): void;
}

/** The name of the file that a data folder has while a backup is being restored into it. */
export const restoreMark = "restore.json";

/**
 * Takes a data folder for this process and the workers that it starts, until `release` is called or the process ends,
 * however it ends: the lock is one of the operating system, held through SQLite.
 * @throws RegistryError UNAVAILABLE when another Berth has it, when what is in it is half restored, or as
 *   `makeUsableFolder`
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  if (existsSync(join(folder, restoreMark))) throw halfRestored(folder);
  await makeUsableFolder(folder);
  return takeLock(
    folder,
    `another Berth is using the data folder ${folder}: stop it, or choose another folder with --data`,
  );
}

/** What those hear who would use a folder that is half restored. */
export function halfRestored(folder: string): RegistryError {
  return new RegistryError(
    "UNAVAILABLE",
    `a backup was not restored to its end into ${folder}: run the same berth restore again, which goes on`,
  );
}

/**
 * Takes a folder, which is made if it is not there, whatever is in it.
 * @param busy what is told when somebody has it
 * @throws RegistryError UNAVAILABLE
 */
export async function takeLock(folder: string, busy: string): Promise<FolderLock> {
  await makeDurableFolder(folder);
  const db = new Database(join(folder, "lock.db"), { create: true, readwrite: true });
  try {
    db.run("PRAGMA busy_timeout = 500");
    db.run("PRAGMA locking_mode = EXCLUSIVE");
    db.run("BEGIN EXCLUSIVE");
  } catch (cause) {
    db.close();
    if (!errorCode(cause).startsWith("SQLITE_BUSY")) throw cause;
    throw new RegistryError("UNAVAILABLE", busy, { cause });
  }
  return { release: () => db.close() };
}
