import type { Digest } from "../../../../oci/digests.ts";
import type { Tag } from "../../../../oci/names.ts";
import type { ManifestRow } from "../../manifest-row.ts";
import type { TagCause } from "../../tag-policy.ts";
import type { TagMetadata } from "../../tags.ts";
import type { SqliteDatabase } from "../database.ts";
import { type RepositoryRows, toKeyedPage, toPage } from "../repositories.ts";
import type { ChangeRows } from "./changes.ts";

type TagLists = Pick<TagMetadata, "getTag" | "listTags" | "listTagDetails" | "tagsNear">;

const nearLimit = 40;
/** How many of the last changes are looked through for the newest tags, and how many of these are told. */
const newestChanges = 20;
const maxNewest = 5;

export function createTagLists(
  { prepare }: SqliteDatabase,
  repositories: RepositoryRows,
  changes: ChangeRows,
): TagLists {
  const get = prepare<{ digest: Digest; media_type: string; bytes: Uint8Array }, [string, string]>(
    // Subqueries, not joins: measured 1 µs instead of 13.
    `SELECT digest, media_type, bytes FROM manifests
     WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest = (
       SELECT digest FROM tags
       WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND name = ?2 AND closed_at IS NULL)`,
  );
  const list = prepare<{ name: Tag }, [number, string, number]>(
    `SELECT name FROM tags INDEXED BY tags_open
     WHERE repository_id = ? AND closed_at IS NULL AND name > ? ORDER BY name LIMIT ?`,
  );
  const details = prepare<
    { name: Tag; opened_at: number; cause: TagCause; digest: Digest; media_type: string; bytes: Uint8Array },
    [number, string, number]
  >(
    `SELECT t.name, t.opened_at, t.cause, m.digest, m.media_type, m.bytes
     FROM tags t INDEXED BY tags_open JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest
     WHERE t.repository_id = ? AND t.closed_at IS NULL AND t.name > ? ORDER BY t.name LIMIT ?`,
  );
  const before = prepare<{ name: Tag }, [number, string, number]>(
    `SELECT name FROM tags INDEXED BY tags_open
     WHERE repository_id = ? AND closed_at IS NULL AND name < ? ORDER BY name DESC LIMIT ?`,
  );
  const exists = prepare<{ id: number }, [number, string]>(
    "SELECT id FROM tags WHERE repository_id = ? AND name = ? AND closed_at IS NULL",
  );
  const newest = (repositoryId: number): Tag[] => {
    const moved = changes
      .backwards(repositoryId, Number.MAX_SAFE_INTEGER, newestChanges)
      .flatMap(({ moves }) => moves.map(({ tag }) => tag));
    return [...new Set(moved)].filter((tag) => exists.get(repositoryId, tag)).slice(0, maxNewest);
  };
  return {
    getTag(repository, tag): ManifestRow | undefined {
      const row = get.get(repository, tag);
      return row ? { digest: row.digest, mediaType: row.media_type, bytes: row.bytes } : undefined;
    },
    listTags(repository, { after = "", limit }) {
      const rows = list.all(repositories.require(repository), after, limit + 1);
      return toPage(rows, limit, (row) => row.name);
    },
    listTagDetails(repository, { after = "", limit }) {
      const rows = details.all(repositories.require(repository), after, limit + 1);
      return toKeyedPage(
        rows,
        limit,
        (row) => row.name,
        (row) => ({
          tag: row.name,
          since: new Date(row.opened_at),
          cause: row.cause,
          manifest: { digest: row.digest, mediaType: row.media_type, bytes: row.bytes },
        }),
      );
    },
    tagsNear(repository, missing) {
      const repositoryId = repositories.find(repository);
      if (repositoryId === undefined) return { near: [], newest: [] };
      const rows = [
        ...list.all(repositoryId, missing.slice(0, 1), nearLimit),
        ...list.all(repositoryId, missing, nearLimit),
        ...before.all(repositoryId, missing, nearLimit),
      ];
      return {
        near: [...new Set(rows.map((row) => row.name))],
        newest: newest(repositoryId),
      };
    },
  };
}
