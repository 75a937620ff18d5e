import type { Digest } from "../../../oci/digests.ts";
import type { SqliteDatabase } from "./database.ts";

/** A manifest that was removed and can be brought back. */
export interface RemovedManifest {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly media_type: string;
  /** The change that removed it. */
  readonly removed_in: number;
}

/** A manifest that is being removed. */
export interface ManifestRemovalRow {
  /** The id that it had among the manifests. */
  readonly id: number;
  readonly repositoryId: number;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** The change that removes it. */
  readonly change: number;
}

/** The rows of manifests that can be brought back, for use inside a transaction. */
export interface RemovedManifestRows {
  /** Puts a manifest aside, with what it names: from then on that is needed by nothing else, perhaps. */
  keep(removal: ManifestRemovalRow): void;
  find(repositoryId: number, digest: Digest): RemovedManifest | undefined;
  /** Links again what was deleted from the repository since and is still stored, because it could be brought back. */
  linkBlobs(repositoryId: number, id: number): void;
  /** Forgets one, if it is there: the manifest has come back. */
  drop(repositoryId: number, digest: Digest): void;
}

/** @param leaseMs whoever was told right before the removal that a blob exists may count on it for so long */
export function createRemovedManifestRows({ prepare }: SqliteDatabase, leaseMs: number): RemovedManifestRows {
  const insert = prepare<{ id: number }, [number, string, string, Uint8Array, number, number]>(
    `INSERT INTO removed_manifests (repository_id, digest, media_type, bytes, removed_at, removed_in)
     VALUES (?, ?, ?, ?, ?, ?) RETURNING id`,
  );
  const takeBlobs = prepare<null, [number, number]>(
    `INSERT INTO removed_manifest_blobs (removed_id, blob_id, repository_id)
     SELECT ?1, blob_id, repository_id FROM manifest_blobs WHERE manifest_id = ?2`,
  );
  const removeBlobs = prepare<null, [number]>("DELETE FROM manifest_blobs WHERE manifest_id = ?");
  const holdBlobs = prepare<null, [number, number, number]>(
    `UPDATE blob_links SET held_until = max(coalesce(held_until, 0), ?1)
     WHERE repository_id = ?2 AND blob_id IN (SELECT blob_id FROM removed_manifest_blobs WHERE removed_id = ?3)
       AND NOT EXISTS (SELECT 1 FROM manifest_blobs e WHERE e.blob_id = blob_links.blob_id AND e.repository_id = ?2)`,
  );
  const find = prepare<RemovedManifest, [number, string]>(
    "SELECT id, media_type, bytes, removed_in FROM removed_manifests WHERE repository_id = ? AND digest = ?",
  );
  const drop = prepare<{ id: number }, [number, string]>(
    "DELETE FROM removed_manifests WHERE repository_id = ? AND digest = ? RETURNING id",
  );
  const dropBlobs = prepare<null, [number]>("DELETE FROM removed_manifest_blobs WHERE removed_id = ?");
  const linkAgain = prepare<null, [number, number]>(
    `UPDATE blob_links SET deleted_at = NULL WHERE repository_id = ? AND deleted_at IS NOT NULL
       AND blob_id IN (SELECT blob_id FROM removed_manifest_blobs WHERE removed_id = ?)`,
  );
  return {
    linkBlobs: (repositoryId, id) => void linkAgain.run(repositoryId, id),
    keep({ id, repositoryId, digest, mediaType, bytes, now, change }) {
      const row = insert.get(repositoryId, digest, mediaType, bytes, now, change);
      if (!row) throw new Error("INSERT returned no row");
      takeBlobs.run(row.id, id);
      removeBlobs.run(id);
      holdBlobs.run(now + leaseMs, repositoryId, row.id);
    },
    find: (repositoryId, digest) => find.get(repositoryId, digest) ?? undefined,
    drop(repositoryId, digest) {
      const row = drop.get(repositoryId, digest);
      if (row) dropBlobs.run(row.id);
    },
  };
}
