import { readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Digest } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import { readJson } from "../../oci/json.ts";
import { errorCode, makeDurableFolder, syncFolder, unlinkIfThere } from "../../registry/files/durable.ts";
import { createBlobFiles } from "../blobs/files.ts";
import { isLockFile, restoreMark, takeLock } from "../lock.ts";
import type { Metadata } from "../metadata/metadata.ts";
import { openSqliteMetadata } from "../metadata/sqlite/sqlite.ts";
import type { Fault } from "../metadata/verification.ts";
import { createPacer } from "../verify/pacing.ts";
import { type CopiedBlobs, type CopyCounts, copyBlobs } from "./blobs.ts";
import { asNoRoom, copyVerified } from "./copying.ts";
import { unfinishedEnding, writeJsonFile } from "./json-files.ts";
import { damagedMetadata, requireWholeMetadata } from "./metadata-check.ts";
import { openSnapshot } from "./snapshot.ts";
import { blobFolderOf, isWhole, type ListedPoint, listPoints, madeAt, type Point } from "./target.ts";

/** What is restored, and how. */
export interface RestoreOptions {
  /** The folder of backups. */
  readonly target: string;
  readonly point: Point;
  /** The data folder: missing, empty, or left by a restore of the same point that was broken off. */
  readonly folder: string;
  readonly bytesPerSecond?: number | undefined;
  readonly signal: AbortSignal;
  /** Writes down that it was done, into the restored metadata before anybody uses them. */
  readonly record: (metadata: Metadata) => Promise<void>;
  readonly onFault: (fault: Fault) => void;
  readonly onProgress: (counts: CopyCounts) => void;
}

const mark = z.object({ point: z.string() });

/** The point whose restore into a folder was broken off, if there is one. @throws RegistryError CONFLICT when nobody can tell */
export async function unfinishedRestore(folder: string): Promise<string | undefined> {
  const text = await readFile(join(folder, restoreMark), "utf8").catch((error) => {
    if (!["ENOENT", "ENOTDIR"].includes(errorCode(error))) throw error;
  });
  if (text === undefined) return undefined;
  const parsed = mark.safeParse(readJson(text));
  if (parsed.success) return parsed.data.point;
  throw new RegistryError(
    "CONFLICT",
    `${join(folder, restoreMark)} is damaged, which says what was being restored into ${folder}: remove the folder and ` +
      "restore anew, or choose another with --data",
  );
}

/** Chooses a point: by name, or the newest there was at a moment; the newest of all if absent. @throws RegistryError UNSUPPORTED when it is damaged; NAME_UNKNOWN */
export async function choosePoint(target: string, at?: string | Date): Promise<Point> {
  const points = await listPoints(target);
  const fits = (point: ListedPoint): boolean =>
    at === undefined || (typeof at === "string" ? point.name === at : madeAt(point) <= at);
  const point = points.filter(fits).at(-1);
  if (point && !isWhole(point)) {
    const advice = "restore another point with --at (--list shows them)";
    throw new RegistryError("UNSUPPORTED", `the point ${point.name} is damaged (${point.damage}): ${advice}`);
  }
  if (point) return point;
  const found = points.length === 0 ? "it has none" : `it has ${points.map(({ name }) => name).join(", ")}`;
  const wanted =
    at === undefined ? "" : ` ${typeof at === "string" ? at : `of ${at.toISOString()} or before`}`;
  throw new RegistryError("NAME_UNKNOWN", `there is no point${wanted} in ${target}: ${found}`);
}

/**
 * Restores a store to a point. The metadata come last: a folder that is not whole is no store, and the same command goes
 * on with it. Blobs that the backup lacks, or that it has damaged, are told and noted as lost, and all else is restored.
 * @throws RegistryError CONFLICT when the folder is not empty; UNAVAILABLE when a Berth is using it; STORAGE_FULL;
 *   DIGEST_INVALID when the point's metadata are damaged; `signal.reason`
 */
export async function restore(options: RestoreOptions): Promise<CopyCounts> {
  const { target, point, folder } = options;
  await requireEmpty(folder, point);
  await requireWholeMetadata(point, options.signal);
  const busy = `another Berth is using ${folder}: stop it, or restore elsewhere`;
  const lock = await takeLock(folder, busy).catch((error: unknown) => {
    throw asNoRoom(folder, error);
  });
  try {
    await requireEmpty(folder, point); // still
    const marker = join(folder, restoreMark);
    await writeJsonFile(marker, { point: point.name });
    await makeDurableFolder(join(folder, "blobs"));
    const { counts, lost } = await restoreBlobs(options);
    await restoreMetadata(options, lost);
    await unlinkIfThere(marker);
    await syncFolder(folder);
    return counts;
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw asNoRoom(folder, error);
    throw new RegistryError("UNAVAILABLE", `a part of ${target} is missing: ${String(error)}`, {
      cause: error,
    });
  } finally {
    lock.release();
  }
}

async function restoreBlobs(options: RestoreOptions): Promise<CopiedBlobs> {
  const { target, point, folder } = options;
  const snapshot = openSnapshot(point.database);
  try {
    return await copyBlobs({
      ...options,
      ...{ pages: snapshot.pages(), total: snapshot.total },
      from: createBlobFiles(blobFolderOf(target)),
      to: createBlobFiles(join(folder, "blobs")),
    });
  } finally {
    snapshot.close();
  }
}

async function restoreMetadata(
  { point, folder, signal, record }: RestoreOptions,
  lost: readonly Digest[],
): Promise<void> {
  const path = join(folder, "metadata.db.restored");
  for (const ending of ["", "-wal", "-shm"]) await unlinkIfThere(path + ending); // of one that was broken off
  const reading = { pacer: createPacer(undefined, signal), signal, onBytes: () => {} };
  const wrong = await copyVerified(point.database, path, point.metadata, reading);
  if (wrong) throw damagedMetadata(point, wrong.detail);
  const metadata = openSqliteMetadata(path);
  try {
    await metadata.backup.adaptRestored(lost, new Date(point.at));
    await record(metadata);
  } finally {
    await metadata.close(); // brings its log into the file
  }
  await rename(path, join(folder, "metadata.db"));
  await syncFolder(folder);
}

/** @throws RegistryError CONFLICT */
async function requireEmpty(folder: string, { name }: Point): Promise<void> {
  const unfinished = await unfinishedRestore(folder);
  if (unfinished === name) return;
  if (unfinished !== undefined) {
    const advice = `go on with --at ${unfinished}, or choose an empty folder`;
    throw new RegistryError("CONFLICT", `${folder} holds a part of the point ${unfinished}: ${advice}`);
  }
  const entries = await readdir(folder).catch((error) => {
    if (errorCode(error) !== "ENOENT") throw error;
    return [];
  });
  // A restore that was broken off before it had its mark has left no more than these.
  const begun = [`${restoreMark}${unfinishedEnding}`, "lost+found"];
  if (entries.every((entry) => isLockFile(entry) || begun.includes(entry))) return;
  throw new RegistryError("CONFLICT", `${folder} is not empty: restore into an empty folder or a new one`);
}
