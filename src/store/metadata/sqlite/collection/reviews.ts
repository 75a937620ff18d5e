import type { Digest } from "../../../../oci/digests.ts";
import type { CollectionMetadata } from "../../collection.ts";
import { type Collected, type CollectionRules, reviewLink } from "../../collection-decisions.ts";
import type { SqliteDatabase } from "../database.ts";
import { createBlobRemoval } from "./blob-removal.ts";

/** For how long one step decides, in milliseconds: meanwhile nobody else writes, and nothing is answered. */
const stepMs = 1;
/** How many rows are read at once. */
const pageSize = 32;

interface QueuedLink {
  repository_id: number;
  blob_id: number;
  deleted_at: number | null;
}

interface ExpiredManifest {
  id: number;
  repository_id: number;
  digest: Digest;
}

/** Counts of one step, while it runs. */
export type Counts = { -readonly [Name in keyof Collected]: Collected[Name] };

/** What one step decided, but for the counts. */
export interface Decided {
  /** How many files are to be removed now that were not before. */
  readonly files: number;
  /** Whether more may be due. */
  readonly more: boolean;
}

/** Decides, inside a transaction, about what is due. */
export interface Reviews extends Pick<CollectionMetadata, "hasWork"> {
  /** Adds to `counts`; ends when so many files are to be removed. */
  decide(rules: CollectionRules, counts: Counts, mostFiles: number): Decided;
}

/** Takes what is due from the review queue, and decides it. */
export function createReviews(database: SqliteDatabase, isHeld: () => boolean): Reviews {
  const { prepare } = database;
  const forget = createForgetting(database);
  const review = createReview(database);
  const expired = prepare<ExpiredManifest, [number, number]>(
    "SELECT id, repository_id, digest FROM removed_manifests WHERE removed_at <= ? ORDER BY removed_at LIMIT ?",
  );
  const due = prepare<QueuedLink, [number, number]>(
    `SELECT repository_id, blob_id, deleted_at FROM blob_links INDEXED BY blob_links_queued
     WHERE queued = 1 AND held_until <= ? ORDER BY held_until LIMIT ?`,
  );
  const anyFile = prepare<{ id: number }, []>("SELECT id FROM removed_files LIMIT 1");

  return {
    decide(rules, counts, mostFiles) {
      const end = performance.now() + stepMs;
      const isLate = (): boolean => performance.now() > end;
      let files = 0;
      const reviewNext = (link: QueuedLink): boolean => {
        if (review(link, counts)) files++;
        return files >= mostFiles || isLate();
      };
      const forgetNext = (manifest: ExpiredManifest): boolean => {
        forget(manifest, counts);
        return isLate();
      };
      // The links that a manifest leaves behind come next, in this step or another.
      const more =
        takeUntil(expired.all(rules.now - rules.graceMs, pageSize), forgetNext) ||
        takeUntil(due.all(rules.now, pageSize), reviewNext);
      return { files, more };
    },
    hasWork: ({ now, graceMs }: CollectionRules) =>
      !isHeld() &&
      (expired.get(now - graceMs, 1) !== null || due.get(now, 1) !== null || anyFile.get() !== null),
  };
}

/** Does the rows until `take` says that it is enough. @returns whether there may be more */
function takeUntil<Row>(rows: readonly Row[], take: (row: Row) => boolean): boolean {
  return rows.some(take) || rows.length === pageSize;
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

/**
 * Decides about one repository's claim on a blob, and about the blob if the claim goes. What it makes returns whether
 * there is a file to remove now.
 */
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
  return (link: QueuedLink, counts: Counts): boolean => {
    const { repository_id: repositoryId, blob_id: blobId } = link;
    const isDeleted = link.deleted_at !== null;
    const verdict = reviewLink({
      isNamed: naming.get(blobId, repositoryId) !== null,
      isNamedByRemoved: removedNaming.get(blobId, repositoryId) !== null,
      isDeleted,
    });
    if (verdict === "named") settle.run(repositoryId, blobId);
    if (verdict === "waits") postpone.run(repositoryId, blobId);
    if (verdict !== "unneeded") return false;
    if (!isDeleted) {
      unlink.run(repositoryId, blobId);
      counts.links++;
    }
    const removed = removeBlobIfUnneeded(blobId);
    // That it was deleted here on purpose is remembered as long as others have it.
    if (!removed && isDeleted) postpone.run(repositoryId, blobId);
    if (!removed || removed.isFile) return removed !== undefined; // a file's bytes are given back when it is gone
    counts.blobs++;
    counts.bytes += removed.freed;
    return false;
  };
}
