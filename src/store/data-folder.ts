import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { RegistryError } from "../oci/errors.ts";
import { type BlobFiles, createBlobFiles } from "./blobs/files.ts";
import { type FolderLock, lockFolder, refuseHalfRestored } from "./lock.ts";
import type { Metadata } from "./metadata/metadata.ts";
import { requireOwnDatabase } from "./metadata/sqlite/database-file.ts";
import { schemaVersion } from "./metadata/sqlite/schema.ts";
import { openSqliteMetadata } from "./metadata/sqlite/sqlite.ts";
import { makeUsableFolder, requireWritableFolder } from "./usable-folder.ts";

/** A data folder, opened beside the server that may be using it. */
export interface DataFolder {
  readonly folder: string;
  readonly metadata: Metadata;
  readonly blobs: BlobFiles;
  close(): Promise<void>;
}

/**
 * Opens what is in a data folder, for keeping it: a server may be using it meanwhile.
 * @throws RegistryError UNAVAILABLE when there is no store, when it may not be written, when it is no whole one or a newer
 *   Berth's, or when a server of another version is using it
 */
export async function openDataFolder(folder: string): Promise<DataFolder> {
  const path = databaseOf(folder);
  refuseHalfRestored(folder);
  if (!existsSync(folder) || !(await requireWritableFolder(folder)).includes(basename(path))) {
    throw new RegistryError(
      "UNAVAILABLE",
      `there is no Berth's data in ${folder}: it has no metadata.db, choose another folder with --data`,
    );
  }
  await requireOwnDatabase(path);
  if (readVersion(path) === 0) {
    throw new RegistryError("UNAVAILABLE", `${path} is empty or no Berth's: restore a backup`);
  }
  const metadata = await whileUpToDate(folder, () => openSqliteMetadata(path));
  return { folder, metadata, blobs: createBlobFiles(join(folder, "blobs")), close: () => metadata.close() };
}

/**
 * Opens a data folder for writing beside the server that may be using it; it is made if it is not there.
 * @throws RegistryError UNAVAILABLE when it is half restored, when a server of another version is using it, or as
 *   `makeUsableFolder`
 */
export async function openBeside<T>(folder: string, open: () => Promise<T>): Promise<T> {
  refuseHalfRestored(folder);
  await makeUsableFolder(folder);
  return whileUpToDate(folder, open);
}

/** Opens a store while no server uses it, if that brings it up to date. */
async function whileUpToDate<T>(folder: string, open: () => T | Promise<T>): Promise<T> {
  const path = databaseOf(folder);
  const lock = existsSync(path) && readVersion(path) < schemaVersion ? await lockOld(folder) : undefined;
  try {
    return await open();
  } finally {
    lock?.release();
  }
}

function databaseOf(folder: string): string {
  return join(folder, "metadata.db");
}

/** The version of a store's schema; 0 when it is empty. */
function readVersion(path: string): number {
  using db = new Database(path, { readwrite: true, create: false });
  const row = db.query<{ user_version: number }, []>("PRAGMA user_version").get();
  return row?.user_version ?? 0;
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
