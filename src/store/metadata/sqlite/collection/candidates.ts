import type { CandidatePage, CollectionMetadata } from "../../collection.ts";
import type { SqliteDatabase } from "../database.ts";

interface Row {
  blob_id: number;
  at: number;
  owner: number;
}

/** Blobs that a run would look at: those of removed manifests whose time is over, then those of the review queue. */
export function createCandidates({
  prepare,
}: SqliteDatabase): Pick<CollectionMetadata, "listCandidates" | "countExpired"> {
  const ofRemoved = prepare<Row, [number, number, number, number, number]>(
    `SELECT e.blob_id, r.removed_at AS at, r.id AS owner
     FROM removed_manifests r JOIN removed_manifest_blobs e ON e.removed_id = r.id
     WHERE r.removed_at <= ?1 AND (r.removed_at, r.id, e.blob_id) > (?2, ?3, ?4)
     ORDER BY r.removed_at, r.id, e.blob_id LIMIT ?5`,
  );
  const queued = prepare<Row, [number, number, number, number, number]>(
    `SELECT blob_id, held_until AS at, repository_id AS owner FROM blob_links INDEXED BY blob_links_queued
     WHERE queued = 1 AND held_until <= ?1 AND (held_until, repository_id, blob_id) > (?2, ?3, ?4)
     ORDER BY held_until, repository_id, blob_id LIMIT ?5`,
  );
  const expired = prepare<{ count: number }, [number]>(
    "SELECT count(*) AS count FROM removed_manifests WHERE removed_at <= ?",
  );
  return {
    countExpired: ({ now, graceMs }) => expired.get(now - graceMs)?.count ?? 0,
    listCandidates({ now, graceMs }, after, limit): CandidatePage {
      const [stage = "removed", at = -1, owner = -1, blob = -1] = after === "" ? [] : parsePlace(after);
      const isFirst = stage === "removed";
      const rows = isFirst
        ? ofRemoved.all(now - graceMs, at, owner, blob, limit)
        : queued.all(now, at, owner, blob, limit);
      const last = rows[rows.length - 1];
      const blobs = [...new Set(rows.map((row) => row.blob_id))];
      if (last && rows.length === limit)
        return { blobs, next: [stage, last.at, last.owner, last.blob_id].join(" ") };
      return isFirst ? { blobs, next: "queued -1 -1 -1" } : { blobs };
    },
  };
}

function parsePlace(after: string): [string, number, number, number] {
  const [stage = "", at, owner, blob] = after.split(" ");
  return [stage, Number(at), Number(owner), Number(blob)];
}
