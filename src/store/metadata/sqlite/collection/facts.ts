import type { Digest } from "../../../../oci/digests.ts";
import { parseManifest } from "../../../../oci/manifests.ts";
import type { RepositoryName, Tag } from "../../../../oci/names.ts";
import { type CollectionBacklog, type CollectionMetadata, mostCounted } from "../../collection.ts";
import type { LinkFacts, ManifestFacts } from "../../collection-decisions.ts";
import type { SqliteDatabase } from "../database.ts";

interface BlobRow {
  id: number;
  digest: Digest;
  size: number;
  lost: number;
}

interface LinkRow {
  repository: RepositoryName;
  deleted_at: number | null;
  held_until: number | null;
  manifest: Digest | null;
  tag: Tag | null;
}

type Facts = Pick<CollectionMetadata, "blobFacts" | "manifestFacts">;
type Counts = Omit<CollectionBacklog, "holds" | "total">;

/** What the case of a blob or of a manifest stands on, and how much waits. */
export function createCollectionFacts(database: SqliteDatabase): Facts & { backlog(): Counts } {
  return {
    ...createBlobFacts(database),
    ...createManifestFacts(database),
    backlog: createBacklog(database),
  };
}

function createBlobFacts({ prepare }: SqliteDatabase): Pick<Facts, "blobFacts"> {
  const selectBlob = `
    SELECT id, digest, size, EXISTS (SELECT 1 FROM lost_blobs WHERE blob_id = blobs.id) AS lost FROM blobs`;
  const byDigest = prepare<BlobRow, [string]>(`${selectBlob} WHERE digest = ?`);
  const byId = prepare<BlobRow, [number]>(`${selectBlob} WHERE id = ?`);
  const selectLinks = (which: string) => `
    SELECT r.name AS repository, l.deleted_at, l.held_until, m.digest AS manifest,
      (SELECT name FROM tags t INDEXED BY tags_open_by_digest
       WHERE t.repository_id = l.repository_id AND t.digest = m.digest AND t.closed_at IS NULL LIMIT 1) AS tag
    FROM blob_links l JOIN repositories r ON r.id = l.repository_id
    LEFT JOIN manifests m ON m.id = (SELECT e.manifest_id FROM manifest_blobs e
      WHERE e.blob_id = l.blob_id AND e.repository_id = l.repository_id LIMIT 1)
    WHERE l.blob_id = ?1 AND ${which}`;
  // Those that a manifest needs first: one of them decides.
  const named = prepare<LinkRow, [number, number]>(
    `${selectLinks("l.deleted_at IS NULL AND l.held_until IS NULL")} LIMIT ?2`,
  );
  const held = prepare<LinkRow, [number, number]>(
    `${selectLinks("l.deleted_at IS NULL AND l.held_until IS NOT NULL")} ORDER BY l.held_until DESC LIMIT ?2`,
  );
  const deleted = prepare<LinkRow, [number, number]>(`${selectLinks("l.deleted_at IS NOT NULL")} LIMIT ?2`);
  const uses = prepare<{ repository: RepositoryName; digest: Digest; removed_at: number }, [number, number]>(
    `SELECT r.name AS repository, m.digest, m.removed_at FROM removed_manifest_blobs e
     JOIN removed_manifests m ON m.id = e.removed_id JOIN repositories r ON r.id = e.repository_id
     WHERE e.blob_id = ? ORDER BY m.removed_at DESC LIMIT ?`,
  );
  return {
    blobFacts(blob, limit) {
      const row = typeof blob === "number" ? byId.get(blob) : byDigest.get(blob);
      if (!row) return undefined;
      const links = [named, held, deleted].flatMap((statement) => statement.all(row.id, limit));
      const removedUses = uses.all(row.id, limit).map(({ repository, digest, removed_at }) => ({
        ...{ repository, manifest: digest, removedAt: new Date(removed_at) },
      }));
      const { digest, size, lost } = row;
      return { digest, size, isLost: lost !== 0, links: links.map(toLink), removedUses };
    },
  };
}

function toLink({ repository, deleted_at, held_until, manifest, tag }: LinkRow): LinkFacts {
  return {
    repository,
    isDeleted: deleted_at !== null,
    ...(manifest === null ? {} : { manifest }),
    ...(tag === null ? {} : { tag }),
    ...(held_until === null ? {} : { heldUntil: new Date(held_until) }),
  };
}

function createManifestFacts({ prepare }: SqliteDatabase): Pick<Facts, "manifestFacts"> {
  // There is no index of manifests by digest alone: repositories are asked one by one.
  const present = prepare<
    { id: number; repository_id: number; name: RepositoryName; media_type: string; bytes: Uint8Array },
    [string, number]
  >(
    `SELECT m.id, m.repository_id, r.name, m.media_type, m.bytes FROM repositories r
     CROSS JOIN manifests m ON m.repository_id = r.id AND m.digest = ?1 LIMIT ?2`,
  );
  const tags = prepare<{ name: Tag }, [number, string, number]>(
    `SELECT name FROM tags INDEXED BY tags_open_by_digest
     WHERE repository_id = ? AND digest = ? AND closed_at IS NULL ORDER BY name LIMIT ?`,
  );
  const parent = prepare<{ digest: Digest }, [number]>(
    "SELECT m.digest FROM manifest_children e JOIN manifests m ON m.id = e.parent_id WHERE e.child_id = ? LIMIT 1",
  );
  const removed = prepare<
    { name: RepositoryName; removed_at: number; actor: string | null },
    [string, number]
  >(
    `SELECT r.name, m.removed_at, c.actor FROM repositories r
     CROSS JOIN removed_manifests m ON m.repository_id = r.id AND m.digest = ?1
     LEFT JOIN changes c ON c.id = m.removed_in LIMIT ?2`,
  );
  return {
    manifestFacts(digest, limit): readonly ManifestFacts[] {
      const there = present.all(digest, limit).map((row): ManifestFacts => {
        const { subject } = parseManifest(row.bytes, row.media_type);
        const index = parent.get(row.id)?.digest;
        return {
          ...{ kind: "present", repository: row.name },
          tags: tags.all(row.repository_id, digest, limit).map(({ name }) => name),
          ...(index === undefined ? {} : { index }),
          ...(subject ? { subject: subject.digest } : {}),
        };
      });
      const gone = removed.all(digest, limit).map(
        (row): ManifestFacts => ({
          ...{ kind: "removed", repository: row.name, actor: row.actor ?? "" },
          removedAt: new Date(row.removed_at),
        }),
      );
      return [...there, ...gone];
    },
  };
}

function createBacklog({ prepare }: SqliteDatabase): () => Counts {
  const count = (table: string) =>
    prepare<{ count: number }, [number]>(`SELECT count(*) AS count FROM (SELECT 1 FROM ${table} LIMIT ?)`);
  const removed = count("removed_manifests");
  const reviews = count("blob_links INDEXED BY blob_links_queued WHERE queued = 1");
  const oldest = prepare<{ at: number | null }, []>("SELECT min(removed_at) AS at FROM removed_manifests");
  const firstDue = prepare<{ at: number }, []>(
    `SELECT held_until AS at FROM blob_links INDEXED BY blob_links_queued WHERE queued = 1
     ORDER BY held_until LIMIT 1`,
  );
  const files = prepare<{ count: number; bytes: number | null }, [number]>(
    "SELECT count(*) AS count, sum(size) AS bytes FROM (SELECT size FROM removed_files LIMIT ?)",
  );
  return () => {
    const removedAt = oldest.get()?.at ?? null;
    const dueAt = firstDue.get()?.at ?? null;
    const waiting = files.get(mostCounted);
    return {
      removedManifests: removed.get(mostCounted)?.count ?? 0,
      ...(removedAt === null ? {} : { oldestRemoval: new Date(removedAt) }),
      reviews: reviews.get(mostCounted)?.count ?? 0,
      ...(dueAt === null ? {} : { oldestReview: new Date(dueAt) }),
      files: waiting?.count ?? 0,
      fileBytes: waiting?.bytes ?? 0,
    };
  };
}
