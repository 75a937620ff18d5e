import type { AuditEntry, AuditFilter, AuditMetadata, AuditRecord } from "../audit.ts";
import type { SqliteDatabase } from "./database.ts";

interface Row {
  id: number;
  at: number;
  actor: string;
  credential: string;
  address: string;
  action: string;
  outcome: AuditEntry["outcome"];
  repository: string | null;
  subject: string | null;
  digest: string | null;
  detail: string | null;
  hash: string;
}

type Nullable = string | null;

export function createAuditMetadata({ prepare, write }: SqliteDatabase): AuditMetadata {
  const last = prepare<{ id: number; hash: string }, []>(
    `SELECT id, hash FROM audit
     UNION ALL SELECT last_id, hash FROM audit_anchor WHERE NOT EXISTS (SELECT 1 FROM audit)
     ORDER BY id DESC LIMIT 1`,
  );
  const insert = prepare<
    null,
    [number, number, string, string, string, string, string, Nullable, Nullable, Nullable, Nullable, string]
  >("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const list = prepare<Row, FilterValues>(listSql("1"));
  const listByActor = prepare<Row, FilterValues>(listSql("actor = ?1"));
  const listByRepository = prepare<Row, FilterValues>(listSql("repository = ?3"));
  const read = prepare<Row, [number, number]>("SELECT * FROM audit WHERE id >= ? ORDER BY id LIMIT ?");
  const anchor = prepare<{ hash: string }, []>("SELECT hash FROM audit_anchor");
  const lastBefore = prepare<{ id: number; hash: string }, [number]>(
    `SELECT id, hash FROM audit WHERE id < coalesce((SELECT min(id) FROM audit WHERE at >= ?), ${Number.MAX_SAFE_INTEGER})
     ORDER BY id DESC LIMIT 1`,
  );
  const moveAnchor = prepare<null, [string, number]>("UPDATE audit_anchor SET hash = ?, last_id = ?");
  const remove = prepare<{ id: number }, [number]>("DELETE FROM audit WHERE id <= ? RETURNING id");

  return {
    append: (entries, hash) =>
      write(() => {
        let { id, hash: previous } = last.get() ?? { id: 0, hash: "" };
        for (const entry of entries) {
          id++;
          previous = hash(previous, { ...entry, id });
          const { at, actor, credential, address, action, outcome } = entry;
          const { repository = null, subject = null, digest = null, detail = null } = entry;
          insert.run(
            ...([id, at, actor, credential, address, action, outcome] as const),
            ...([repository, subject, digest, detail, previous] as const),
          );
        }
      }),
    list(filter, before = Number.MAX_SAFE_INTEGER, limit) {
      const by =
        filter.repository !== undefined ? listByRepository : filter.actor !== undefined ? listByActor : list;
      return by.all(...valuesOf(filter), before, limit).map(toRecord);
    },
    read: (from, limit) => read.all(from, limit).map(toRecord),
    anchor: () => anchor.get()?.hash ?? "",
    removeBefore: (time) =>
      write(() => {
        const end = lastBefore.get(time);
        if (!end) return 0;
        moveAnchor.run(end.hash, end.id);
        return remove.all(end.id).length;
      }),
  };
}

type FilterValues = [Nullable, Nullable, Nullable, Nullable, number, number, number, number];

function valuesOf(filter: AuditFilter): [Nullable, Nullable, Nullable, Nullable, number, number] {
  const { actor = null, action = null, repository = null, outcome = null } = filter;
  return [actor, action, repository, outcome, filter.since ?? 0, filter.until ?? Number.MAX_SAFE_INTEGER];
}

/** `by` is what an index serves; the rest is looked at row by row, from the newest on. */
function listSql(by: string): string {
  return `SELECT * FROM audit WHERE ${by}
    AND (?1 IS NULL OR actor = ?1) AND (?2 IS NULL OR action = ?2)
    AND (?3 IS NULL OR repository = ?3) AND (?4 IS NULL OR outcome = ?4)
    AND at >= ?5 AND at < ?6 AND id < ?7 ORDER BY id DESC LIMIT ?8`;
}

function toRecord({ repository, subject, digest, detail, ...row }: Row): AuditRecord {
  return {
    ...row,
    ...(repository === null ? {} : { repository }),
    ...(subject === null ? {} : { subject }),
    ...(digest === null ? {} : { digest }),
    ...(detail === null ? {} : { detail }),
  };
}
