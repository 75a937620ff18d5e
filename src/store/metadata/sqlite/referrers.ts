import type { Descriptor } from "../../../oci/descriptors.ts";
import type { Digest } from "../../../oci/digests.ts";
import type { Metadata } from "../metadata.ts";
import type { SqliteDatabase } from "./database.ts";
import type { RepositoryRows } from "./repositories.ts";

/** The most bytes of descriptors in one answer: annotations may be long. "at least 4 megabytes" clients take. */
const maxPageBytes = 3 * 1024 * 1024;

/** The rows of referrers, for use inside a transaction. */
export interface ReferrerRows {
  add(repositoryId: number, subject: Digest, descriptor: Descriptor): void;
  remove(repositoryId: number, subject: Digest, digest: Digest): void;
}

export function createReferrerRows({ prepare }: SqliteDatabase): ReferrerRows {
  const insert = prepare<null, [number, string, string, string, string]>(
    "INSERT OR REPLACE INTO referrers (repository_id, subject, digest, artifact_type, descriptor) VALUES (?, ?, ?, ?, ?)",
  );
  const remove = prepare<null, [number, string, string]>(
    "DELETE FROM referrers WHERE repository_id = ? AND subject = ? AND digest = ?",
  );
  return {
    add: (repositoryId, subject, descriptor) =>
      void insert.run(
        repositoryId,
        subject,
        descriptor.digest,
        descriptor.artifactType ?? "",
        JSON.stringify(descriptor),
      ),
    remove: (repositoryId, subject, digest) => void remove.run(repositoryId, subject, digest),
  };
}

export function createReferrerMetadata(
  { prepare }: SqliteDatabase,
  repositories: RepositoryRows,
): Pick<Metadata, "listReferrers"> {
  const allSizes = prepare<{ size: number }, [number, string, string, number]>(
    `SELECT octet_length(descriptor) AS size FROM referrers
     WHERE repository_id = ? AND subject = ? AND digest > ? ORDER BY digest LIMIT ?`,
  );
  const sizesOfType = prepare<{ size: number }, [number, string, string, string, number]>(
    `SELECT octet_length(descriptor) AS size FROM referrers INDEXED BY referrers_by_type
     WHERE repository_id = ? AND subject = ? AND artifact_type = ? AND digest > ? ORDER BY digest LIMIT ?`,
  );
  const all = prepare<{ digest: string; descriptor: string }, [number, string, string, number]>(
    "SELECT digest, descriptor FROM referrers WHERE repository_id = ? AND subject = ? AND digest > ? ORDER BY digest LIMIT ?",
  );
  const ofType = prepare<{ digest: string; descriptor: string }, [number, string, string, string, number]>(
    `SELECT digest, descriptor FROM referrers INDEXED BY referrers_by_type
     WHERE repository_id = ? AND subject = ? AND artifact_type = ? AND digest > ? ORDER BY digest LIMIT ?`,
  );
  return {
    listReferrers(repository, subject, { after = "", limit, artifactType }) {
      const repositoryId = repositories.find(repository);
      if (repositoryId === undefined) return { items: [] };
      const found =
        artifactType === undefined
          ? allSizes.all(repositoryId, subject, after, limit + 1)
          : sizesOfType.all(repositoryId, subject, artifactType, after, limit + 1);
      const fitting = Math.min(limit, countFitting(found));
      const rows =
        artifactType === undefined
          ? all.all(repositoryId, subject, after, fitting)
          : ofType.all(repositoryId, subject, artifactType, after, fitting);
      const items = rows.map((row): Descriptor => JSON.parse(row.descriptor));
      const last = rows[rows.length - 1];
      return found.length > fitting && last ? { items, next: last.digest } : { items };
    },
  };
}

/** How many descriptors fit into one answer; the first always does. */
function countFitting(sizes: readonly { readonly size: number }[]): number {
  let bytes = 0;
  const over = sizes.findIndex(({ size }, at) => {
    bytes += size;
    return at > 0 && bytes > maxPageBytes;
  });
  return over < 0 ? sizes.length : over;
}
