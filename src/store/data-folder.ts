import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { RegistryError } from "../oci/errors.ts";
import { errorCode } from "../registry/files/durable.ts";
import { type BlobFiles, createBlobFiles } from "./blobs/files.ts";
import { type FolderLock, halfRestored, lockFolder, restoreMark } from "./lock.ts";
import type { Metadata } from "./metadata/metadata.ts";
import { schemaVersion } from "./metadata/sqlite/schema.ts";
import { openSqliteMetadata } from "./metadata/sqlite/sqlite.ts";

/** A data folder, opened beside the server that may be using it. */
export interface DataFolder {
  readonly folder: string;
  readonly metadata: Metadata;
  readonly blobs: BlobFiles;
  close(): Promise<void>;
}

/**
 * Opens what is in a data folder, for keeping it: a server may be using it meanwhile.
 * @throws RegistryError UNAVAILABLE when there is no store, when it is no whole one, or when a server of another
 *   version is using it
 */
export async function openDataFolder(folder: string): Promise<DataFolder> {
  const path = join(folder, "metadata.db");
  if (existsSync(join(folder, restoreMark))) throw halfRestored(folder);
  if (!existsSync(path)) {
    throw new RegistryError(
      "UNAVAILABLE",
      `there is no Berth's data in ${folder}: it has no metadata.db, choose another folder with --data`,
    );
  }
  const lock = readVersion(path) < schemaVersion ? await lockOld(folder) : undefined;
  try {
    const metadata = openSqliteMetadata(path);
    return { folder, metadata, blobs: createBlobFiles(join(folder, "blobs")), close: () => metadata.close() };
  } finally {
    lock?.release();
  }
}

/** @throws RegistryError UNAVAILABLE when it is no database of Berth */
function readVersion(path: string): number {
  try {
    using db = new Database(path, { readwrite: true, create: false });
    const row = db.query<{ user_version: number }, []>("PRAGMA user_version").get();
    if (row && row.user_version > 0) return row.user_version;
  } catch (cause) {
    if (errorCode(cause) !== "SQLITE_NOTADB") throw cause;
    throw new RegistryError("UNAVAILABLE", `${path} is damaged or no Berth's: restore a backup`, { cause });
  }
  throw new RegistryError("UNAVAILABLE", `${path} is empty or no Berth's: restore a backup`);
}

/** Takes a store of an older version, which opening it brings up to date. */
async function lockOld(folder: string): Promise<FolderLock> {
  try {
    return await lockFolder(folder);
  } catch (cause) {
    throw new RegistryError(
      "UNAVAILABLE",
      `an older Berth is using ${folder}: use that Berth's own command, or stop it first`,
      { cause },
    );
  }
}
