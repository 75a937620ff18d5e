import type { Digest } from "../../../../oci/digests.ts";
import type { Tag } from "../../../../oci/names.ts";
import type { TagCause } from "../../tag-policy.ts";
import type { TagMetadata } from "../../tags.ts";
import type { SqliteDatabase } from "../database.ts";
import type { RepositoryRows } from "../repositories.ts";

type RetentionMetadata = Pick<
  TagMetadata,
  "recordPulls" | "listPulls" | "listRetentionTags" | "listFormerTargets" | "listUntagged"
>;

interface DatedDigest {
  digest: Digest;
  at: number;
}

/** What retention decides by. These lists are whole: retention looks at everything, and nobody waits for it. */
export function createRetentionMetadata(
  { prepare, write }: SqliteDatabase,
  repositories: RepositoryRows,
): RetentionMetadata {
  const pull = prepare<null, [string, string, number]>(
    `INSERT INTO pulls (repository_id, digest, pulled_at)
     SELECT id, ?2, ?3 FROM repositories WHERE name = ?1
     ON CONFLICT DO UPDATE SET pulled_at = max(pulled_at, excluded.pulled_at)`,
  );
  const pulls = prepare<DatedDigest, [number]>(
    "SELECT digest, pulled_at AS at FROM pulls WHERE repository_id = ?",
  );
  const tags = prepare<
    { name: Tag; digest: Digest; cause: TagCause; opened_at: number; pushed_at: number },
    [number]
  >(
    `SELECT t.name, t.digest, t.cause, t.opened_at, m.pushed_at
     FROM tags t INDEXED BY tags_open JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest
     WHERE t.repository_id = ? AND t.closed_at IS NULL ORDER BY t.name`,
  );
  const former = prepare<DatedDigest, [number, number]>(
    `SELECT digest, max(closed_at) AS at FROM tags
     WHERE repository_id = ? AND closed_at IS NOT NULL AND closed_at > ? GROUP BY digest`,
  );
  const untagged = prepare<DatedDigest, [number]>(
    // What is said of every manifest is gathered once: there is no index of referrers and past tags by their digest.
    `WITH past AS MATERIALIZED (
       SELECT digest, max(closed_at) AS at FROM tags WHERE repository_id = ?1 AND closed_at IS NOT NULL GROUP BY digest)
     SELECT m.digest, max(m.pushed_at, coalesce(past.at, 0)) AS at
     FROM manifests m LEFT JOIN past ON past.digest = m.digest WHERE m.repository_id = ?1
       AND NOT EXISTS (SELECT 1 FROM tags t INDEXED BY tags_open_by_digest
         WHERE t.repository_id = ?1 AND t.digest = m.digest AND t.closed_at IS NULL)
       AND NOT EXISTS (SELECT 1 FROM manifest_children c WHERE c.child_id = m.id)
       AND m.digest NOT IN (SELECT r.digest FROM referrers r JOIN manifests s
         ON s.repository_id = ?1 AND s.digest = r.subject
         WHERE r.repository_id = ?1)
     ORDER BY m.id`,
  );
  const toMap = (rows: readonly DatedDigest[]): ReadonlyMap<Digest, Date> =>
    new Map(rows.map(({ digest, at }) => [digest, new Date(at)]));
  return {
    recordPulls: (records) =>
      write(() => {
        for (const { repository, digest, at } of records) pull.run(repository, digest, at.getTime());
      }),
    listPulls: (repository) => toMap(pulls.all(repositories.require(repository))),
    listRetentionTags: (repository) =>
      tags.all(repositories.require(repository)).map((row) => ({
        tag: row.name,
        digest: row.digest,
        cause: row.cause,
        since: new Date(row.opened_at),
        arrived: new Date(row.pushed_at),
      })),
    listFormerTargets: (repository, since) =>
      toMap(former.all(repositories.require(repository), since.getTime())),
    listUntagged: (repository) =>
      untagged
        .all(repositories.require(repository))
        .map(({ digest, at }) => ({ digest, since: new Date(at) })),
  };
}
