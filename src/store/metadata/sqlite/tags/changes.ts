import type { Digest } from "../../../../oci/digests.ts";
import type { RepositoryName } from "../../../../oci/names.ts";
import type { TagEventKind, TagPlanLine } from "../../tag-policy.ts";
import type { Change, TagMetadata } from "../../tags.ts";
import type { SqliteDatabase } from "../database.ts";
import type { RepositoryRows } from "../repositories.ts";

/** What a change is written from. */
export interface NewChange {
  readonly at: number;
  readonly actor: string;
  readonly kind: TagEventKind;
  readonly manifest: Digest | undefined;
  readonly moves: readonly TagPlanLine[];
}

/** The rows of changes, for use inside a transaction. */
export interface ChangeRows {
  /** The present time in milliseconds, never before that of the last change: a clock may be set back. */
  now(): number;
  add(repositoryId: number, change: NewChange): number;
  find(id: number | null): Change | undefined;
  /** Changes of a repository, the newest first, behind `before`. */
  backwards(repositoryId: number, before: number, limit: number): readonly Change[];
}

interface Row {
  id: number;
  at: number;
  repository: RepositoryName;
  actor: string;
  kind: TagEventKind;
  manifest: Digest | null;
  moves: string;
}

const select = `SELECT c.id, c.at, r.name AS repository, c.actor, c.kind, c.manifest, c.moves
   FROM changes c JOIN repositories r ON r.id = c.repository_id`;

export function createChangeRows({ prepare }: SqliteDatabase): ChangeRows {
  const last = prepare<{ at: number }, []>("SELECT at FROM changes ORDER BY id DESC LIMIT 1");
  const insert = prepare<{ id: number }, [number, number, string, string, string | null, string]>(
    `INSERT INTO changes (repository_id, at, actor, kind, manifest, moves) VALUES (?, ?, ?, ?, ?, ?) RETURNING id`,
  );
  const find = prepare<Row, [number]>(`${select} WHERE c.id = ?`);
  const backwards = prepare<Row, [number, number, number]>(
    `${select} WHERE c.repository_id = ? AND c.id < ? ORDER BY c.id DESC LIMIT ?`,
  );
  return {
    now: () => Math.max(Date.now(), last.get()?.at ?? 0),
    add(repositoryId, { at, actor, kind, manifest, moves }) {
      const row = insert.get(repositoryId, at, actor, kind, manifest ?? null, JSON.stringify(moves));
      if (!row) throw new Error("INSERT returned no row");
      return row.id;
    },
    find(id) {
      const row = id === null ? null : find.get(id);
      return row ? toChange(row) : undefined;
    },
    backwards: (repositoryId, before, limit) => backwards.all(repositoryId, before, limit).map(toChange),
  };
}

function toChange(row: Row): Change {
  const { id, at, repository, actor, kind, manifest } = row;
  return {
    ...{ id, at: new Date(at), repository, actor, kind },
    ...(manifest === null ? {} : { manifest }),
    moves: JSON.parse(row.moves), // as `add` wrote it
  };
}

export function createChangeMetadata(
  { prepare }: SqliteDatabase,
  repositories: RepositoryRows,
  changes: ChangeRows,
): Pick<TagMetadata, "listChanges" | "lastChange"> {
  const forwards = prepare<Row, [number, number]>(`${select} WHERE c.id > ? ORDER BY c.id LIMIT ?`);
  const allBackwards = prepare<Row, [number, number]>(`${select} WHERE c.id < ? ORDER BY c.id DESC LIMIT ?`);
  const forwardsOf = prepare<Row, [number, number, number]>(
    `${select} WHERE c.repository_id = ? AND c.id > ? ORDER BY c.id LIMIT ?`,
  );
  const last = prepare<{ id: number | null }, []>("SELECT max(id) AS id FROM changes");
  return {
    lastChange: () => last.get()?.id ?? 0,
    listChanges({ repository, after, limit, newestFirst = false }) {
      const start = after ?? (newestFirst ? Number.MAX_SAFE_INTEGER : 0);
      if (repository === undefined) {
        return (newestFirst ? allBackwards : forwards).all(start, limit).map(toChange);
      }
      const repositoryId = repositories.find(repository);
      if (repositoryId === undefined) return [];
      if (newestFirst) return changes.backwards(repositoryId, start, limit);
      return forwardsOf.all(repositoryId, start, limit).map(toChange);
    },
  };
}
