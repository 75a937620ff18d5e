import type { Descriptor } from "../../../oci/descriptors.ts";
import type { Digest } from "../../../oci/digests.ts";
import type { Metadata } from "../metadata.ts";
import type { SqliteDatabase } from "./database.ts";
import type { RepositoryRows } from "./repositories.ts";

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
      const rows =
        artifactType === undefined
          ? all.all(repositoryId, subject, after, limit + 1)
          : ofType.all(repositoryId, subject, artifactType, after, limit + 1);
      const shown = rows.slice(0, limit);
      const items = shown.map((row): Descriptor => JSON.parse(row.descriptor));
      const last = shown[shown.length - 1];
      return rows.length > limit && last ? { items, next: last.digest } : { items };
    },
  };
}
