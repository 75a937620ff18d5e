import type { Digest } from "../../../oci/digests.ts";
import { RegistryError } from "../../../oci/errors.ts";
import type { RepositoryName } from "../../../oci/names.ts";
import type { Metadata, MountRequest, StoredBlob } from "../metadata.ts";
import type { SqliteDatabase } from "./database.ts";
import type { RepositoryRows } from "./repositories.ts";

type BlobMetadata = Pick<
  Metadata,
  "findLinkedBlob" | "getLinkedBlob" | "findBlob" | "linkStoredBlob" | "mountBlob" | "deleteBlob"
>;

interface SizeRow {
  size: number;
  /** Whether it stands in the metadata. */
  small: number;
}

/** How many repositories that hold a blob are asked about before a mount gives up. */
const mountCandidates = 100;

export function createBlobMetadata(database: SqliteDatabase, repositories: RepositoryRows): BlobMetadata {
  const { prepare, write } = database;
  const findLinked = prepare<SizeRow, [string, string]>(
    `SELECT size, EXISTS (SELECT 1 FROM small_blobs WHERE blob_id = blobs.id) AS small FROM blobs WHERE digest = ?2 AND EXISTS (
       SELECT 1 FROM blob_links
       WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND blob_id = blobs.id
         AND deleted_at IS NULL)`,
  );
  const getLinked = prepare<{ size: number; bytes: Uint8Array | null }, [string, string]>(
    `SELECT size, (SELECT bytes FROM small_blobs WHERE blob_id = blobs.id) AS bytes
     FROM blobs WHERE digest = ?2 AND EXISTS (
       SELECT 1 FROM blob_links
       WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND blob_id = blobs.id
         AND deleted_at IS NULL)`,
  );
  const insertSmall = prepare<null, [number, Uint8Array]>(
    "INSERT OR REPLACE INTO small_blobs (blob_id, bytes) VALUES (?, ?)",
  );
  const find = prepare<SizeRow & { id: number }, [string]>(
    `SELECT id, size, EXISTS (SELECT 1 FROM small_blobs WHERE blob_id = blobs.id) AS small
     FROM blobs WHERE digest = ?`,
  );
  const isLost = prepare<{ why: string }, [number]>("SELECT why FROM lost_blobs WHERE blob_id = ?");
  const findLost = prepare<null, [number]>("DELETE FROM lost_blobs WHERE blob_id = ?");
  const insert = prepare<{ id: number }, [string, number, number]>(
    "INSERT INTO blobs (digest, size, stored_at) VALUES (?, ?, ?) RETURNING id",
  );
  const countBlob = prepare<null, [number]>(
    "UPDATE totals SET blobs = blobs + 1, blob_bytes = blob_bytes + ?",
  );
  const link = prepare<null, [number, number, number, number]>(
    `INSERT INTO blob_links (repository_id, blob_id, linked_at, unclaimed) VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET
       linked_at = CASE WHEN deleted_at IS NULL THEN linked_at ELSE excluded.linked_at END,
       deleted_at = NULL, unclaimed = max(unclaimed, excluded.unclaimed)`,
  );
  const findLink = prepare<{ deleted_at: number | null }, [number, number]>(
    "SELECT deleted_at FROM blob_links WHERE repository_id = ? AND blob_id = ?",
  );
  const holders = prepare<{ name: RepositoryName }, [number, number]>(
    `SELECT r.name FROM blob_links l JOIN repositories r ON r.id = l.repository_id
     WHERE l.blob_id = ? AND l.deleted_at IS NULL LIMIT ?`,
  );
  const user = prepare<{ digest: Digest }, [number, number]>(
    `SELECT m.digest FROM manifest_blobs e JOIN manifests m ON m.id = e.manifest_id
     WHERE e.blob_id = ? AND e.repository_id = ? LIMIT 1`,
  );
  const unlink = prepare<null, [number, number, number]>(
    "UPDATE blob_links SET deleted_at = ?, unclaimed = 0 WHERE repository_id = ? AND blob_id = ?",
  );

  const findLinkedBlob = (repository: RepositoryName, digest: Digest): StoredBlob | undefined => {
    const row = findLinked.get(repository, digest);
    return row ? toStored(digest, row) : undefined;
  };

  /** The id of the blob if a repository that may be read holds it, read inside the transaction that links it. */
  const findMountable = (request: MountRequest): (SizeRow & { readonly id: number }) | undefined => {
    const { digest, from, mayRead } = request;
    const blob = find.get(digest);
    if (!blob || isLost.get(blob.id)) return undefined;
    if (from !== undefined)
      return mayRead?.(from) !== false && findLinked.get(from, digest) ? blob : undefined;
    const names = holders.all(blob.id, mayRead ? mountCandidates : 1);
    return names.some((row) => mayRead?.(row.name) !== false) ? blob : undefined;
  };

  return {
    findLinkedBlob,
    getLinkedBlob(repository, digest) {
      const row = getLinked.get(repository, digest);
      if (!row) return undefined;
      return { digest, size: row.size, ...(row.bytes ? { bytes: row.bytes } : { hasFile: true }) };
    },
    findBlob(digest) {
      const row = find.get(digest);
      return row ? toStored(digest, row) : undefined;
    },
    linkStoredBlob: (repository, blob, received) =>
      write(() => {
        const repositoryId = repositories.ensure(repository);
        let id = find.get(blob.digest)?.id;
        if (id === undefined) {
          id = insert.get(blob.digest, blob.size, Date.now())?.id;
          if (id === undefined) throw new Error("INSERT returned no row");
          countBlob.run(blob.size);
        } else findLost.run(id);
        if (blob.bytes) insertSmall.run(id, blob.bytes);
        link.run(repositoryId, id, Date.now(), 1);
        repositories.addStatistics(repositoryId, received, 0);
      }),
    async mountBlob(request) {
      if (!findMountable(request)) return undefined; // the usual answer to a new blob: without a transaction
      return write(() => {
        const blob = findMountable(request);
        if (!blob) return undefined;
        const repositoryId = repositories.find(request.repository);
        if (
          request.unlessDeleted &&
          repositoryId !== undefined &&
          findLink.get(repositoryId, blob.id)?.deleted_at
        ) {
          return undefined;
        }
        link.run(repositoryId ?? repositories.ensure(request.repository), blob.id, Date.now(), 0);
        return toStored(request.digest, blob);
      });
    },
    deleteBlob: (repository, digest) =>
      write(() => {
        const repositoryId = repositories.find(repository);
        const blob = find.get(digest);
        if (repositoryId === undefined || !blob || !findLinked.get(repository, digest)) {
          throw new RegistryError("BLOB_UNKNOWN", `repository ${repository} has no blob ${digest}`);
        }
        const needed = user.get(blob.id, repositoryId);
        if (needed) {
          throw new RegistryError(
            "UNSUPPORTED",
            `blob ${digest} is needed by manifest ${needed.digest} of ${repository}: delete that manifest first`,
            { detail: { manifest: needed.digest } },
          );
        }
        unlink.run(Date.now(), repositoryId, blob.id);
      }),
  };
}

function toStored(digest: Digest, { size, small }: SizeRow): StoredBlob {
  return { digest, size, hasFile: small === 0 };
}
