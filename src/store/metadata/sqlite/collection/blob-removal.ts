import type { Digest } from "../../../../oci/digests.ts";
import type { SqliteDatabase } from "../database.ts";

/** A blob whose row is gone. */
export interface RemovedBlob {
  /** Bytes that it had: none if they were lost. */
  readonly freed: number;
  /** Whether it has a file, which is now among the files to remove. */
  readonly isFile: boolean;
}

/** Makes what removes a blob that no repository has and no removed manifest needs, inside a transaction. */
export function createBlobRemoval({ prepare }: SqliteDatabase): (blobId: number) => RemovedBlob | undefined {
  const holder = prepare<{ repository_id: number }, [number]>(
    "SELECT repository_id FROM blob_links WHERE blob_id = ? AND deleted_at IS NULL LIMIT 1",
  );
  const removedNaming = prepare<{ removed_id: number }, [number]>(
    "SELECT removed_id FROM removed_manifest_blobs WHERE blob_id = ? LIMIT 1",
  );
  const removeMarks = prepare<null, [number]>(
    "DELETE FROM blob_links INDEXED BY blob_links_deleted WHERE blob_id = ? AND deleted_at IS NOT NULL",
  );
  const removeSmall = prepare<{ blob_id: number }, [number]>(
    "DELETE FROM small_blobs WHERE blob_id = ? RETURNING blob_id",
  );
  const lost = prepare<{ why: string }, [number]>("SELECT why FROM lost_blobs WHERE blob_id = ?");
  const remove = prepare<{ digest: Digest; size: number }, [number]>(
    "DELETE FROM blobs WHERE id = ? RETURNING digest, size",
  );
  const addFile = prepare<null, [string, number]>("INSERT INTO removed_files (digest, size) VALUES (?, ?)");
  const countBlob = prepare<null, [number]>(
    "UPDATE totals SET blobs = blobs - 1, blob_bytes = blob_bytes - ?",
  );
  return (blobId) => {
    if (holder.get(blobId) || removedNaming.get(blobId)) return undefined;
    removeMarks.run(blobId);
    const isLost = lost.get(blobId) !== null;
    const isFile = removeSmall.get(blobId) === null && !isLost;
    const row = remove.get(blobId);
    if (!row) return undefined;
    if (isFile) addFile.run(row.digest, row.size);
    countBlob.run(row.size);
    return { freed: isLost ? 0 : row.size, isFile };
  };
}
