import type { Digest } from "../../../../oci/digests.ts";
import type { Tag } from "../../../../oci/names.ts";
import type { TagCause } from "../../tag-policy.ts";
import type { SqliteDatabase } from "../database.ts";

/** One row: where a tag points, or pointed. */
export interface TagRow {
  readonly id: number;
  readonly digest: Digest;
  readonly cause: TagCause;
  /** Milliseconds since 1970, as all times here. */
  readonly opened_at: number;
  readonly closed_at: number | null;
  readonly opened_in: number | null;
  readonly closed_in: number | null;
  readonly restores: number | null;
}

/** What opens a row. */
export interface OpenedRow {
  readonly digest: Digest;
  readonly cause: TagCause;
  readonly at: number;
  readonly change: number;
  /** The row that is brought back. */
  readonly restores: number | undefined;
}

/** The rows of tags, for use inside a transaction. */
export interface TagRows {
  /** Where a tag points now. */
  find(repositoryId: number, tag: Tag): TagRow | undefined;
  /** The last row of a tag, open or closed. */
  last(repositoryId: number, tag: Tag): TagRow | undefined;
  /** What a row took the place of; undefined when the tag did not exist right before it. */
  predecessor(repositoryId: number, tag: Tag, row: TagRow): TagRow | undefined;
  open(repositoryId: number, tag: Tag, row: OpenedRow): void;
  close(id: number, at: number, change: number): void;
  /** Tags that point at a manifest. */
  pointingAt(repositoryId: number, digest: Digest): readonly Tag[];
  /** Tags in the order of their bytes, behind `after`. */
  page(repositoryId: number, after: string, limit: number): readonly Tag[];
}

const columns = "id, digest, cause, opened_at, closed_at, opened_in, closed_in, restores";

export function createTagRows({ prepare }: SqliteDatabase): TagRows {
  const find = prepare<TagRow, [number, string]>(
    `SELECT ${columns} FROM tags WHERE repository_id = ? AND name = ? AND closed_at IS NULL`,
  );
  const last = prepare<TagRow, [number, string]>(
    `SELECT ${columns} FROM tags WHERE repository_id = ? AND name = ? ORDER BY opened_at DESC, id DESC LIMIT 1`,
  );
  const byId = prepare<TagRow, [number]>(`SELECT ${columns} FROM tags WHERE id = ?`);
  const before = prepare<TagRow, [number, string, number, number]>(
    `SELECT ${columns} FROM tags WHERE repository_id = ? AND name = ? AND opened_at <= ? AND id < ?
     ORDER BY opened_at DESC, id DESC LIMIT 1`,
  );
  const open = prepare<null, [number, string, string, number, string, number, number | null]>(
    `INSERT INTO tags (repository_id, name, digest, opened_at, cause, opened_in, restores)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
  );
  const close = prepare<null, [number, number, number]>(
    "UPDATE tags SET closed_at = ?, closed_in = ? WHERE id = ?",
  );
  const pointingAt = prepare<{ name: Tag }, [number, string]>(
    // Named, because for the order SQLite would rather read every tag of the repository.
    `SELECT name FROM tags INDEXED BY tags_open_by_digest
     WHERE repository_id = ? AND digest = ? AND closed_at IS NULL ORDER BY name`,
  );
  const page = prepare<{ name: Tag }, [number, string, number]>(
    `SELECT name FROM tags INDEXED BY tags_open
     WHERE repository_id = ? AND closed_at IS NULL AND name > ? ORDER BY name LIMIT ?`,
  );
  return {
    find: (repositoryId, tag) => find.get(repositoryId, tag) ?? undefined,
    last: (repositoryId, tag) => last.get(repositoryId, tag) ?? undefined,
    predecessor(repositoryId, tag, row) {
      let base = row;
      while (base.restores !== null) {
        const restored = byId.get(base.restores);
        if (!restored) break;
        base = restored;
      }
      const found = before.get(repositoryId, tag, base.opened_at, base.id);
      return found && (found.closed_at ?? 0) >= base.opened_at ? found : undefined;
    },
    open: (repositoryId, tag, { digest, cause, at, change, restores }) =>
      void open.run(repositoryId, tag, digest, at, cause, change, restores ?? null),
    close: (id, at, change) => void close.run(at, change, id),
    pointingAt: (repositoryId, digest) => pointingAt.all(repositoryId, digest).map((row) => row.name),
    page: (repositoryId, after, limit) => page.all(repositoryId, after, limit).map((row) => row.name),
  };
}
