import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { RegistryError } from "../oci/errors.ts";
import { errorCode, makeDurableFolder } from "../registry/files/durable.ts";
import { unfinishedEnding } from "./backup/json-files.ts";
import { makeUsableFolder } from "./usable-folder.ts";

/** A folder that nobody else uses while it is locked. */
export interface FolderLock {
  release(): void;
}

const lockName = "lock.db";

/** Whether a file is the lock of a folder, or what SQLite keeps beside it. */
export function isLockFile(name: string): boolean {
  return name === lockName || name.startsWith(`${lockName}-`);
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
  refuseHalfRestored(folder);
  await makeUsableFolder(folder);
  return takeLock(
    folder,
    `another Berth is using the data folder ${folder}: stop it, or choose another folder with --data`,
  );
}

/** Refuses a folder that a backup was not restored into to its end. @throws RegistryError UNAVAILABLE */
export function refuseHalfRestored(folder: string): void {
  const mark = join(folder, restoreMark);
  if (!existsSync(mark) && !existsSync(mark + unfinishedEnding)) return;
  throw new RegistryError(
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
  let db: Database | undefined;
  try {
    db = new Database(join(folder, lockName), { create: true, readwrite: true });
    db.run("PRAGMA busy_timeout = 500");
    db.run("PRAGMA locking_mode = EXCLUSIVE");
    db.run("BEGIN EXCLUSIVE");
    const locked = db;
    return { release: () => locked.close() };
  } catch (cause) {
    db?.close();
    const code = errorCode(cause);
    if (code.startsWith("SQLITE_BUSY")) throw new RegistryError("UNAVAILABLE", busy, { cause });
    if (!/^SQLITE_(CANTOPEN|READONLY)/.test(code)) throw cause;
    const why = "check whose it is, its mode, and whether its disk may be written";
    throw new RegistryError("UNAVAILABLE", `cannot write to ${folder}: ${why}`, { cause });
  }
}
