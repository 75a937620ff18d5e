import type { Digest } from "../../../../oci/digests.ts";
import type { RepositoryName } from "../../../../oci/names.ts";
import type { BrokenPage, Fault, VerificationMetadata } from "../../verification.ts";
import type { SqliteDatabase } from "../database.ts";
import { checkIntegrity } from "./integrity.ts";

type InspectionMetadata = Pick<
  VerificationMetadata,
  | "checkDatabase"
  | "inspectManifests"
  | "inspectRows"
  | "inspectBlobs"
  | "knowsFile"
  | "takeUnknownFile"
  | "holdersOf"
  | "countLost"
>;

interface ManifestRow {
  id: number;
  repository_id: number;
  repository: RepositoryName | null;
  digest: Digest;
  media_type: string;
  size: number;
  bytes: Uint8Array;
}

/** What verifications look at. */
export function createInspectionMetadata(database: SqliteDatabase): InspectionMetadata {
  const { db, prepare, write } = database;
  const manifests = prepare<ManifestRow, [number, number]>(
    `SELECT m.id, m.repository_id, r.name AS repository, m.digest, m.media_type, m.size, m.bytes
     FROM manifests m LEFT JOIN repositories r ON r.id = m.repository_id WHERE m.id > ? ORDER BY m.id LIMIT ?`,
  );
  const blobsOf = prepare<{ digest: Digest }, [number, number]>(
    `SELECT b.digest FROM manifest_blobs e JOIN blobs b ON b.id = e.blob_id
     JOIN blob_links l ON l.repository_id = ?2 AND l.blob_id = b.id AND l.deleted_at IS NULL WHERE e.manifest_id = ?1`,
  );
  const childrenOf = prepare<{ digest: Digest }, [number, number]>(
    `SELECT m.digest FROM manifest_children e JOIN manifests m ON m.id = e.child_id AND m.repository_id = ?2
     WHERE e.parent_id = ?1`,
  );
  const subjectOf = prepare<{ subject: Digest }, [number, string, string]>(
    "SELECT subject FROM referrers WHERE repository_id = ? AND subject = ? AND digest = ?",
  );
  const blobs = prepare<
    { id: number; digest: Digest; size: number; bytes: Uint8Array | null; lost: number },
    [number, number]
  >(
    `SELECT id, digest, size, (SELECT bytes FROM small_blobs WHERE blob_id = blobs.id) AS bytes,
       EXISTS (SELECT 1 FROM lost_blobs WHERE blob_id = blobs.id) AS lost
     FROM blobs WHERE id > ? ORDER BY id LIMIT ?`,
  );
  const holders = prepare<{ name: RepositoryName }, [string, number]>(
    `SELECT r.name FROM blobs b JOIN blob_links l ON l.blob_id = b.id AND l.deleted_at IS NULL
     JOIN repositories r ON r.id = l.repository_id WHERE b.digest = ? ORDER BY r.id LIMIT ?`,
  );
  const known = prepare<{ digest: string }, [string]>(
    `SELECT digest FROM blobs WHERE digest = ?1
       AND NOT EXISTS (SELECT 1 FROM small_blobs WHERE blob_id = blobs.id)
     UNION ALL SELECT digest FROM removed_files WHERE digest = ?1 AND taken = 0 LIMIT 1`,
  );
  const lost = prepare<{ count: number }, []>("SELECT count(*) AS count FROM lost_blobs");
  const scans = { tags: scanTags(database), links: scanLinks(database), referrers: scanReferrers(database) };

  return {
    checkDatabase: (signal) => checkIntegrity(db.filename, signal),
    inspectManifests: (after, limit) =>
      manifests.all(after, limit).map(({ repository_id, repository, media_type, ...row }) => ({
        ...row,
        repository: repository ?? (`?${repository_id}` as RepositoryName), // named in a fault alone
        mediaType: media_type,
        blobs: new Set(blobsOf.all(row.id, repository_id).map(({ digest }) => digest)),
        children: new Set(childrenOf.all(row.id, repository_id).map(({ digest }) => digest)),
        isReferrerOf: (subject) => subjectOf.get(repository_id, subject, row.digest) !== null,
      })),
    inspectRows: (stage, cursor, limit) => scans[stage](cursor, limit),
    inspectBlobs: (after, limit) =>
      blobs.all(after, limit).map(({ id, digest, size, bytes, lost }) => ({
        ...{ id, digest, size },
        isLost: lost !== 0,
        ...(bytes && { bytes }),
      })),
    knowsFile: (digest) => known.get(digest) !== null,
    takeUnknownFile: (digest, take) => write(() => known.get(digest) === null && take()),
    holdersOf: (digest, limit) => holders.all(digest, limit).map(({ name }) => name),
    countLost: () => lost.get()?.count ?? 0,
  };
}

type Scan = (cursor: string, limit: number) => BrokenPage;

interface TagRow {
  id: number;
  name: string;
  digest: string;
  repository: string | null;
}

/** Tags that point at no manifest. */
function scanTags({ prepare }: SqliteDatabase): Scan {
  const last = prepare<{ id: number | null; count: number }, [number, number]>(
    "SELECT max(id) AS id, count(*) AS count FROM (SELECT id FROM tags WHERE id > ? ORDER BY id LIMIT ?)",
  );
  const broken = prepare<TagRow, [number, number]>(
    `SELECT t.id, t.name, t.digest, r.name AS repository FROM tags t LEFT JOIN repositories r ON r.id = t.repository_id
     WHERE t.id > ? AND t.id <= ? AND t.closed_at IS NULL AND NOT EXISTS
       (SELECT 1 FROM manifests m WHERE m.repository_id = t.repository_id AND m.digest = t.digest)`,
  );
  return (cursor, limit) => {
    const after = Number(cursor || 0);
    const { id, count } = last.get(after, limit) ?? { id: null, count: 0 };
    if (id === null) return { faults: [], looked: 0 };
    const faults = broken.all(after, id).map(
      ({ name, digest, repository }): Fault => ({
        ...{ kind: "tag-broken", subject: name },
        ...(repository !== null && { repository }),
        detail: `it points at ${digest}, which is not there`,
      }),
    );
    return { faults, looked: count, ...(count === limit && { next: String(id) }) };
  };
}

interface LinkRow {
  repository_id: number;
  blob_id: number;
}

/** Links of no repository, or to no blob. */
function scanLinks({ prepare }: SqliteDatabase): Scan {
  const page = prepare<
    LinkRow & { repository: string | null; digest: string | null },
    [number, number, number]
  >(
    `SELECT l.repository_id, l.blob_id, r.name AS repository, b.digest FROM blob_links l
     LEFT JOIN repositories r ON r.id = l.repository_id LEFT JOIN blobs b ON b.id = l.blob_id
     WHERE (l.repository_id, l.blob_id) > (?, ?) ORDER BY l.repository_id, l.blob_id LIMIT ?`,
  );
  return (cursor, limit) => {
    const [repositoryId = 0, blobId = 0] = cursor.split(" ").map(Number);
    const rows = page.all(repositoryId, blobId, limit);
    const last = rows[rows.length - 1];
    const faults = rows.flatMap(({ repository, digest, ...row }): Fault[] => {
      if (repository !== null && digest !== null) return [];
      const [subject, detail] =
        digest === null
          ? [`link to blob ${row.blob_id}`, "there is no such blob"]
          : [digest, `its repository ${row.repository_id} is not there`];
      return [{ kind: "link-broken", subject, ...(repository !== null && { repository }), detail }];
    });
    const isFull = last && rows.length === limit;
    return { faults, looked: rows.length, ...(isFull && { next: `${last.repository_id} ${last.blob_id}` }) };
  };
}

interface ReferrerRow {
  repository_id: number;
  subject: string;
  digest: string;
  repository: string | null;
  isThere: number;
}

/** Referrers that are no manifests of their repository. */
function scanReferrers({ prepare }: SqliteDatabase): Scan {
  const page = prepare<ReferrerRow, [number, string, string, number]>(
    `SELECT e.repository_id, e.subject, e.digest, r.name AS repository, EXISTS
       (SELECT 1 FROM manifests m WHERE m.repository_id = e.repository_id AND m.digest = e.digest) AS isThere
     FROM referrers e LEFT JOIN repositories r ON r.id = e.repository_id
     WHERE (e.repository_id, e.subject, e.digest) > (?, ?, ?)
     ORDER BY e.repository_id, e.subject, e.digest LIMIT ?`,
  );
  return (cursor, limit) => {
    const [repositoryId = "0", subject = "", digest = ""] = cursor.split(" ");
    const rows = page.all(Number(repositoryId), subject, digest, limit);
    const last = rows[rows.length - 1];
    const faults = rows.flatMap((row): Fault[] => {
      if (row.isThere) return [];
      const detail = `it is listed as a referrer of ${row.subject}, but there is no such manifest`;
      const repository = row.repository === null ? {} : { repository: row.repository };
      return [{ kind: "referrer-broken", subject: row.digest, ...repository, detail }];
    });
    const isFull = last && rows.length === limit;
    return {
      ...{ faults, looked: rows.length },
      ...(isFull && { next: `${last.repository_id} ${last.subject} ${last.digest}` }),
    };
  };
}
