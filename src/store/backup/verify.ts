import type { Digest } from "../../oci/digests.ts";
import { createBlobFiles } from "../blobs/files.ts";
import { takeLock } from "../lock.ts";
import type { Fault } from "../metadata/verification.ts";
import { examineBlob } from "../verify/blobs.ts";
import { createPacer } from "../verify/pacing.ts";
import type { Quarantine } from "../verify/quarantine.ts";
import { findMetadataFault } from "./metadata-check.ts";
import { openSnapshot, type Snapshot } from "./snapshot.ts";
import { blobFolderOf, isWhole, listPoints, type Point } from "./target.ts";

/** How a folder of backups is verified. */
export interface VerifyBackupsOptions {
  readonly target: string;
  /** Where damaged blobs go, so that the next backup copies them again; nothing is changed if absent. */
  readonly quarantine?: Quarantine | undefined;
  /** Bytes that are read a second; without limit if absent. */
  readonly bytesPerSecond?: number | undefined;
  readonly signal: AbortSignal;
  readonly onFault: (fault: Fault) => void;
  readonly onProgress: (counts: VerifiedBackups) => void;
}

/** What was read of a folder of backups. */
export interface VerifiedBackups {
  readonly points: number;
  /** Blobs that are in files, each once, and their bytes. */
  readonly blobs: number;
  readonly bytes: number;
  readonly faults: number;
}

/** A point that can be read. */
interface OpenPoint {
  readonly point: Point;
  readonly snapshot: Snapshot;
  readonly lost: ReadonlySet<Digest>;
}

/**
 * Reads all points of a folder of backups, and every blob that they need, and compares them with their digests. What a
 * point was made without is no fault: the backup told it.
 * @throws RegistryError NAME_UNKNOWN when there are no backups; UNAVAILABLE while one is made; `signal.reason`
 */
export async function verifyBackups(options: VerifyBackupsOptions): Promise<VerifiedBackups> {
  const { target, signal, onFault, onProgress } = options;
  const listed = await listPoints(target);
  const lock = await takeLock(target, `a backup to ${target} is under way: wait until it has ended`);
  const points: OpenPoint[] = [];
  const counts = { points: 0, blobs: 0, bytes: 0, faults: 0 };
  const tell = (fault: Fault): void => {
    counts.faults++;
    onFault(fault);
  };
  try {
    for (const point of listed) {
      counts.points++;
      const detail = isWhole(point) ? await findMetadataFault(point, signal) : point.damage;
      if (detail !== undefined) tell({ kind: "metadata-damaged", subject: point.name, detail });
      else if (isWhole(point)) {
        points.push({ point, snapshot: openSnapshot(point.database), lost: new Set(point.lost) });
      }
    }
    const onBytes = (bytes: number): void => {
      counts.bytes += bytes;
      onProgress(counts);
    };
    const look = lookAtBlob(options, points, onBytes);
    for (const [at, { snapshot }] of points.entries()) {
      const before = points.slice(0, at);
      for (const page of snapshot.pages()) {
        for (const { digest, size } of page) {
          if (before.some((earlier) => earlier.snapshot.has(digest))) continue;
          counts.blobs++;
          const fault = await look(digest, size);
          if (fault) tell(fault);
        }
      }
    }
    return { ...counts };
  } finally {
    for (const { snapshot } of points) snapshot.close();
    lock.release();
  }
}

function lookAtBlob(
  { target, quarantine, bytesPerSecond, signal }: VerifyBackupsOptions,
  points: readonly OpenPoint[],
  onBytes: (bytes: number) => void,
): (digest: Digest, size: number) => Promise<Fault | undefined> {
  const blobs = createBlobFiles(blobFolderOf(target));
  const reading = { blobs, pacer: createPacer(bytesPerSecond, signal), signal, onBytes };
  return async (digest, size) => {
    const verdict = await examineBlob({ id: 0, digest, size, isLost: false }, reading);
    if (verdict.state === "whole") return undefined;
    const spoiled = points.filter(({ snapshot, lost }) => snapshot.has(digest) && !lost.has(digest));
    if (spoiled.length === 0) return undefined;
    const where = `in ${spoiled.map(({ point }) => point.name).join(", ")}`;
    const fault = { kind: verdict.state, subject: digest, detail: `${verdict.detail}, ${where}` };
    if (!quarantine || verdict.inode === undefined) return fault;
    const to = await quarantine.take(blobs.pathOf(digest), verdict.inode);
    const outcome = `moved to ${to}, and the next backup copies it again`;
    return to === undefined ? fault : { ...fault, detail: `${fault.detail}; ${outcome}` };
  };
}
