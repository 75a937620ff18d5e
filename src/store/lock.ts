import { Database } from "bun:sqlite";
import { join } from "node:path";
import { RegistryError } from "../oci/errors.ts";
import { errorCode } from "../registry/files/durable.ts";
import { makeUsableFolder } from "./usable-folder.ts";

/**
 * Takes a data folder for this process and the workers that it starts, until `release` is called or the process ends,
 * however it ends: the lock is one of the operating system, held through SQLite.
 * @throws RegistryError UNAVAILABLE when another Berth has it, or as `makeUsableFolder`
 */
export async function lockFolder(folder: string): Promise<{ release(): void }> {
  await makeUsableFolder(folder);
  const db = new Database(join(folder, "lock.db"), { create: true, readwrite: true });
  try {
    db.run("PRAGMA busy_timeout = 500");
    db.run("PRAGMA locking_mode = EXCLUSIVE");
    db.run("BEGIN EXCLUSIVE");
  } catch (cause) {
    db.close();
    if (!errorCode(cause).startsWith("SQLITE_BUSY")) throw cause;
    throw new RegistryError(
      "UNAVAILABLE",
      `another Berth is using the data folder ${folder}: stop it, or choose another folder with --data`,
      { cause },
    );
  }
  return { release: () => db.close() };
}
