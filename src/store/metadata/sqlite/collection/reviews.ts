import type { Digest } from "../../../../oci/digests.ts";
import type { CollectionMetadata, CollectionStep } from "../../collection.ts";
import { type Collected, type CollectionRules, reviewLink } from "../../collection-decisions.ts";
import type { SqliteDatabase } from "../database.ts";
import { createBlobRemoval } from "./blob-removal.ts";

/** How long one step may keep everybody else from writing, in milliseconds. */
const stepMs = 4;
/** How many rows are read at once. */
const pageSize = 50;

interface QueuedLink {
  repository_id: number;
  blob_id: number;
  held_until: number;
  deleted_at: number | null;
}

interface ExpiredManifest {
  id: number;
  repository_id: number;
  digest: Digest;
}

/** Counts of one step, while it runs. */
type Counts = { -readonly [Name in keyof Collected]: Collected[Name] };

/** Adds to what a run and all runs gave back, inside a transaction. */
export type CountCollected = (run: number, collected: Collected) => void;

/** Takes what is due from the review queue, and decides it. */
export function createReviews(
  database: SqliteDatabase,
  isHeld: () => boolean,
  count: CountCollected,
): Pick<CollectionMetadata, "collect" | "hasWork"> {
  const { prepare, write } = database;
  const forget = createForgetting(database);
  const review = createReview(database);
  const expired = prepare<ExpiredManifest, [number, number]>(
    "SELECT id, repository_id, digest FROM removed_manifests WHERE removed_at <= ? ORDER BY removed_at LIMIT ?",
  );
  const due = prepare<QueuedLink, [number, number]>(
    `SELECT repository_id, blob_id, held_until, deleted_at FROM blob_links INDEXED BY blob_links_queued
     WHERE queued = 1 AND held_until <= ? ORDER BY held_until LIMIT ?`,
  );
  const anyFile = prepare<{ id: number }, []>("SELECT id FROM removed_files LIMIT 1");

  return {
    collect: (run, rules) =>
      write((): CollectionStep => {
        const counts: Counts = { manifests: 0, links: 0, blobs: 0, bytes: 0 };
        if (isHeld()) return { ...counts, held: true, more: false };
        const end = performance.now() + stepMs;
        // The links that a manifest leaves behind come next, in this step or another.
        const more =
          takeUntil(end, expired.all(rules.now - rules.graceMs, pageSize), (row) => forget(row, counts)) ||
          takeUntil(end, due.all(rules.now, pageSize), (row) => review(row, rules.now, counts));
        count(run, counts);
        return { ...counts, held: false, more };
      }),
    hasWork: ({ now, graceMs }: CollectionRules) =>
      !isHeld() &&
      (expired.get(now - graceMs, 1) !== null || due.get(now, 1) !== null || anyFile.get() !== null),
  };
}

/** Does the rows until the time is over. @returns whether there may be more */
function takeUntil<Row>(end: number, rows: readonly Row[], take: (row: Row) => void): boolean {
  for (const row of rows) {
    take(row);
    if (performance.now() > end) return true;
  }
  return rows.length === pageSize;
}

/** Forgets a removed manifest; what it named is reviewed once nobody may count on it any more. */
function createForgetting({ prepare }: SqliteDatabase) {
  const remove = prepare<null, [number]>("DELETE FROM removed_manifests WHERE id = ?");
  const queueLinks = prepare<null, [number, number]>(
    `UPDATE blob_links SET queued = 1 WHERE repository_id = ? AND held_until IS NOT NULL
       AND blob_id IN (SELECT blob_id FROM removed_manifest_blobs WHERE removed_id = ?)`,
  );
  const removeBlobs = prepare<null, [number]>("DELETE FROM removed_manifest_blobs WHERE removed_id = ?");
  const removePulls = prepare<null, [number, string]>(
    "DELETE FROM pulls WHERE repository_id = ? AND digest = ?",
  );
  return ({ id, repository_id, digest }: ExpiredManifest, counts: Counts): void => {
    queueLinks.run(repository_id, id);
    removeBlobs.run(id);
    remove.run(id);
    removePulls.run(repository_id, digest);
    counts.manifests++;
  };
}

/** Decides about one repository's claim on a blob, and about the blob if the claim goes. */
function createReview(database: SqliteDatabase) {
  const { prepare } = database;
  const removeBlobIfUnneeded = createBlobRemoval(database);
  const naming = prepare<{ manifest_id: number }, [number, number]>(
    "SELECT manifest_id FROM manifest_blobs WHERE blob_id = ? AND repository_id = ? LIMIT 1",
  );
  const removedNaming = prepare<{ removed_id: number }, [number, number]>(
    "SELECT removed_id FROM removed_manifest_blobs WHERE blob_id = ? AND repository_id = ? LIMIT 1",
  );
  const settle = prepare<null, [number, number]>(
    "UPDATE blob_links SET queued = 0, held_until = NULL WHERE repository_id = ? AND blob_id = ?",
  );
  const postpone = prepare<null, [number, number]>(
    "UPDATE blob_links SET queued = 0 WHERE repository_id = ? AND blob_id = ?",
  );
  const unlink = prepare<null, [number, number]>(
    "DELETE FROM blob_links WHERE repository_id = ? AND blob_id = ?",
  );
  return (link: QueuedLink, now: number, counts: Counts): void => {
    const { repository_id: repositoryId, blob_id: blobId } = link;
    const isDeleted = link.deleted_at !== null;
    const verdict = reviewLink(
      {
        isNamed: naming.get(blobId, repositoryId) !== null,
        isNamedByRemoved: removedNaming.get(blobId, repositoryId) !== null,
        isDeleted,
        heldUntil: link.held_until,
      },
      now,
    );
    if (verdict === "early") return;
    if (verdict === "named") return void settle.run(repositoryId, blobId);
    if (verdict === "waits") return void postpone.run(repositoryId, blobId);
    if (!isDeleted) {
      unlink.run(repositoryId, blobId);
      counts.links++;
    }
    const removed = removeBlobIfUnneeded(blobId);
    // That it was deleted here on purpose is remembered as long as others have it.
    if (!removed && isDeleted) postpone.run(repositoryId, blobId);
    if (!removed || removed.isFile) return; // a file's bytes are given back when it is gone
    counts.blobs++;
    counts.bytes += removed.freed;
  };
}
