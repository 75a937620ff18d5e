import { readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { parseDigest } from "../../oci/digests.ts";
import { openSnapshot, type Snapshot } from "./snapshot.ts";
import { blobFolderOf, listPoints, removePoint } from "./target.ts";

/** What was removed from a folder of backups. */
export interface Pruned {
  /** Names of points. */
  readonly points: readonly string[];
  readonly blobs: number;
  readonly bytes: number;
}

/** Removes all points but the newest `keep`, and the blobs that none of these has. */
export async function pruneTarget(target: string, keep: number): Promise<Pruned> {
  const points = await listPoints(target);
  const old = points.slice(0, Math.max(0, points.length - keep));
  if (old.length === 0) return { points: [], blobs: 0, bytes: 0 };
  for (const point of old) await removePoint(target, point);
  const snapshots = points.slice(old.length).map(({ database }) => openSnapshot(database));
  try {
    return {
      points: old.map(({ name }) => name),
      ...(await removeUnneeded(blobFolderOf(target), snapshots)),
    };
  } finally {
    for (const snapshot of snapshots) snapshot.close();
  }
}

async function removeUnneeded(
  folder: string,
  snapshots: readonly Snapshot[],
): Promise<Omit<Pruned, "points">> {
  const removed = { blobs: 0, bytes: 0 };
  for (const algorithm of await readdir(folder)) {
    for (const start of await readdir(join(folder, algorithm))) {
      for (const name of await readdir(join(folder, algorithm, start))) {
        const path = join(folder, algorithm, start, name);
        const isPartial = name.endsWith(".partial"); // of a backup that was killed
        if (!isPartial && snapshots.some(({ has }) => has(parseDigest(`${algorithm}:${name}`)))) continue;
        const { size } = await stat(path);
        await unlink(path);
        if (isPartial) continue;
        removed.blobs++;
        removed.bytes += size;
      }
    }
  }
  return removed;
}
