import type { AccessMetadata, GrantRow, GrantSubject } from "../../access.ts";
import type { SqliteDatabase } from "../database.ts";

type GrantMetadata = Pick<AccessMetadata, "grantsFor" | "listGrants" | "addGrant" | "removeGrant">;

interface Row {
  subject_kind: GrantSubject["kind"];
  subject: string;
  role: string;
  repositories: string;
  created_at: number;
}

/** @param raise raises the version, inside the transaction that changes a right */
export function createGrantMetadata({ prepare, write }: SqliteDatabase, raise: () => void): GrantMetadata {
  const bySubject = prepare<Row, [string, string]>(
    "SELECT * FROM grants WHERE subject_kind = ? AND subject = ?",
  );
  const list = prepare<Row, [number]>(
    "SELECT * FROM grants ORDER BY subject_kind, subject, repositories, role LIMIT ?",
  );
  const insert = prepare<{ role: string }, [string, string, string, string, number]>(
    `INSERT INTO grants (subject_kind, subject, role, repositories, created_at) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO NOTHING RETURNING role`,
  );
  const remove = prepare<{ role: string }, [string, string, string, string]>(
    "DELETE FROM grants WHERE subject_kind = ? AND subject = ? AND role = ? AND repositories = ? RETURNING role",
  );
  return {
    grantsFor: (account, groups) =>
      [
        ...(account === undefined ? [] : bySubject.all("account", account)),
        ...groups.flatMap((group) => bySubject.all("group", group)),
        ...bySubject.all("public", ""),
      ].map(toGrant),
    listGrants: (limit) => list.all(limit).map(toGrant),
    addGrant: ({ subject, role, repositories }) =>
      write(() => {
        const row = insert.get(subject.kind, nameOf(subject), role, repositories, Date.now());
        if (row) raise();
        return row !== null;
      }),
    removeGrant: ({ subject, role, repositories }) =>
      write(() => {
        const row = remove.get(subject.kind, nameOf(subject), role, repositories);
        if (row) raise();
        return row !== null;
      }),
  };
}

function nameOf(subject: GrantSubject): string {
  return subject.kind === "public" ? "" : subject.name;
}

function toGrant(row: Row): GrantRow {
  return {
    subject:
      row.subject_kind === "public" ? { kind: "public" } : { kind: row.subject_kind, name: row.subject },
    role: row.role,
    repositories: row.repositories,
    createdAt: row.created_at,
  };
}
