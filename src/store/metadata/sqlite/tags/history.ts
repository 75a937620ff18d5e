import type { Digest } from "../../../../oci/digests.ts";
import type { TagMetadata, TagPeriod } from "../../tags.ts";
import type { SqliteDatabase } from "../database.ts";
import type { RepositoryRows } from "../repositories.ts";
import type { ChangeRows } from "./changes.ts";
import type { TagRow } from "./rows.ts";

/** Where tags pointed, and when. */
export function createTagHistory(
  { prepare }: SqliteDatabase,
  repositories: RepositoryRows,
  changes: ChangeRows,
): Pick<TagMetadata, "tagAt" | "listTagPeriods"> {
  const at = prepare<{ digest: Digest; closed_at: number | null }, [number, string, number]>(
    `SELECT digest, closed_at FROM tags WHERE repository_id = ? AND name = ? AND opened_at <= ?
     ORDER BY opened_at DESC, id DESC LIMIT 1`,
  );
  const periods = prepare<TagRow, [number, string, number, number]>(
    `SELECT id, digest, cause, opened_at, closed_at, opened_in, closed_in, restores FROM tags
     WHERE repository_id = ? AND name = ? ORDER BY opened_at DESC, id DESC LIMIT ? OFFSET ?`,
  );
  return {
    tagAt(repository, tag, time) {
      const row = at.get(repositories.require(repository), tag, time.getTime());
      if (!row || (row.closed_at !== null && row.closed_at <= time.getTime())) return undefined;
      return row.digest;
    },
    listTagPeriods(repository, tag, { skip, limit }) {
      return periods.all(repositories.require(repository), tag, limit, skip).map((row): TagPeriod => {
        const change = changes.find(row.opened_in);
        const ended = changes.find(row.closed_in);
        return {
          digest: row.digest,
          from: new Date(row.opened_at),
          ...(row.closed_at === null ? {} : { until: new Date(row.closed_at) }),
          cause: row.cause,
          ...(change && { change }),
          ...(ended && { ended }),
        };
      });
    },
  };
}
