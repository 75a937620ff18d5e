import { open } from "node:fs/promises";
import { relative, resolve } from "node:path";
import type { Digest } from "../../oci/digests.ts";
import { isRegistryError, RegistryError } from "../../oci/errors.ts";
import { errorCode } from "../../registry/files/durable.ts";
import { hashFile } from "../../registry/files/hash-file.ts";
import { createHasher } from "../../registry/hash.ts";
import { createBlobFiles } from "../blobs/files.ts";
import { whileHeld } from "../collection/holding.ts";
import type { DataFolder } from "../data-folder.ts";
import { takeLock } from "../lock.ts";
import type { Fault } from "../metadata/verification.ts";
import { type CopyCounts, copyBlobs } from "./blobs.ts";
import { asNoRoom, type FileContent } from "./copying.ts";
import { type Pruned, pruneTarget } from "./pruning.ts";
import { openSnapshot } from "./snapshot.ts";
import { beginPoint, blobFolderOf, type NewPoint, type Point, prepareTarget } from "./target.ts";

/** What is backed up, and how. */
export interface BackupOptions extends Pick<DataFolder, "folder" | "metadata" | "blobs"> {
  /** A folder of backups, made if it is not there. */
  readonly target: string;
  /** How many points are kept; all if absent. */
  readonly keep?: number | undefined;
  /** Bytes that are copied a second; without limit if absent. */
  readonly bytesPerSecond?: number | undefined;
  readonly signal: AbortSignal;
  readonly onFault: (fault: Fault) => void;
  readonly onProgress: (counts: CopyCounts) => void;
}

/** What a backup did. */
export interface BackupReport {
  readonly point: Point;
  readonly counts: CopyCounts;
  readonly pruned: Pruned;
}

/**
 * Adds a point to a folder of backups: the metadata as they are at one moment, and the blobs that are not there yet. The
 * server may run meanwhile; nothing is collected until the end. What is interrupted has left no point, but the blobs that
 * it copied. Blobs that are lost or damaged are told and noted in the point, and all else is backed up.
 * @throws RegistryError CONFLICT when the target is something else; UNAVAILABLE when another backup writes there;
 *   STORAGE_FULL; `signal.reason`
 */
export async function backUp(options: BackupOptions): Promise<BackupReport> {
  const { folder, metadata, target, keep } = options;
  refuseOverlap(folder, target);
  const busy = `another backup to ${target} is under way: wait until it has ended`;
  const lock = await takeLock(target, busy).catch((error: unknown) => {
    throw asNoRoom(target, error);
  });
  try {
    await prepareTarget(target, await metadata.backup.identity());
    const { point, counts } = await whileHeld(metadata.collection, `backup to ${target}`, (requireHold) =>
      addPoint(options, requireHold),
    );
    const pruned = await pruneTarget(target, keep ?? Number.POSITIVE_INFINITY);
    return { point, counts, pruned };
  } catch (error) {
    // What the store could not write into its own metadata is not for want of room in the target.
    if (isRegistryError(error, "STORAGE_FULL") && errorCode(error.cause).startsWith("SQLITE_")) throw error;
    throw asNoRoom(target, error);
  } finally {
    lock.release();
  }
}

async function addPoint(
  options: BackupOptions,
  requireHold: () => Promise<void>,
): Promise<{ point: Point; counts: CopyCounts }> {
  const { metadata, target, blobs } = options;
  const made = await beginPoint(target, new Date());
  await metadata.backup.copyInto(made.database);
  const snapshot = openSnapshot(made.database);
  try {
    const { counts, lost } = await copyBlobs({
      ...options,
      ...{ pages: snapshot.pages(), total: snapshot.total, from: blobs },
      to: createBlobFiles(blobFolderOf(target)),
    });
    await requireHold();
    return { point: await publish(made, counts, lost), counts };
  } finally {
    snapshot.close();
  }
}

async function publish(
  made: NewPoint,
  { blobs, bytes }: CopyCounts,
  lost: readonly Digest[],
): Promise<Point> {
  return made.publish({ metadata: await sync(made.database), blobs, bytes, lost });
}

/** Makes a file durable. Resolves to what it holds. */
async function sync(path: string): Promise<FileContent> {
  await using file = await open(path, "r+");
  await file.chmod(0o600); // it has the hashes of passwords, and keys
  await file.sync();
  const hasher = createHasher("sha256");
  const size = await hashFile(file, hasher);
  return { size, digest: hasher.digest() };
}

function refuseOverlap(folder: string, target: string): void {
  const [data, to] = [resolve(folder), resolve(target)];
  const isInside = (inner: string, outer: string): boolean => !/^\.\.(\/|$)/.test(relative(outer, inner));
  if (!isInside(to, data) && !isInside(data, to)) return;
  throw new RegistryError(
    "CONFLICT",
    `${target} and the data folder ${folder} contain one another: choose another`,
  );
}
