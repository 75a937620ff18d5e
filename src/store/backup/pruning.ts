import { stat, unlink } from "node:fs/promises";
import { backedUpFiles } from "./blob-folder.ts";
import { partPoints } from "./metadata-check.ts";
import { openSnapshot, type Snapshot } from "./snapshot.ts";
import { isWhole, listPoints, removePoint } from "./target.ts";

/** What was removed from a folder of backups. */
export interface Pruned {
  /** Names of points. */
  readonly points: readonly string[];
  readonly blobs: number;
  readonly bytes: number;
  /** Names of points that cannot be read, for whose sake all blobs were kept. */
  readonly damaged: readonly string[];
  /** Paths below the folder of what no backup has made, and which stays. */
  readonly foreign: readonly string[];
}

const nothing: Pruned = { points: [], blobs: 0, bytes: 0, damaged: [], foreign: [] };

/**
 * Removes all points but the newest `keep`, and the blobs that none of these has. Points that are damaged stay and do not
 * count; while there are any, nobody knows which blobs they have, so that all blobs stay.
 */
export async function pruneTarget(target: string, keep: number): Promise<Pruned> {
  const points = await listPoints(target);
  const readable = points.filter(isWhole);
  if (readable.length <= keep) return nothing;
  const { whole, damaged } = await partPoints(points);
  const old = whole.slice(0, Math.max(0, whole.length - keep));
  for (const point of old) await removePoint(target, point);
  const names = old.map(({ name }) => name);
  if (damaged.length > 0 || old.length === 0) return { ...nothing, points: names, damaged };
  const snapshots = whole.slice(old.length).map(({ database }) => openSnapshot(database));
  try {
    return {
      ...{ points: names, damaged },
      ...(await removeUnneeded(target, snapshots)),
    };
  } finally {
    for (const snapshot of snapshots) snapshot.close();
  }
}

async function removeUnneeded(
  target: string,
  snapshots: readonly Snapshot[],
): Promise<Pick<Pruned, "blobs" | "bytes" | "foreign">> {
  const removed = { blobs: 0, bytes: 0 };
  const foreign: string[] = [];
  for await (const { path, digest, isPartial } of backedUpFiles(target, (each) => foreign.push(each))) {
    if (!isPartial && snapshots.some(({ has }) => has(digest))) continue;
    const { size } = await stat(path);
    await unlink(path);
    if (isPartial) continue;
    removed.blobs++;
    removed.bytes += size;
  }
  return { ...removed, foreign };
}
