import type { AccessMetadata, AccountRow } from "../../access.ts";
import type { SqliteDatabase } from "../database.ts";
import { toPage } from "../repositories.ts";

type AccountMetadata = Pick<
  AccessMetadata,
  | "findAccount"
  | "getAccount"
  | "findAccountOf"
  | "listAccounts"
  | "hasAccounts"
  | "createAccount"
  | "changeAccount"
  | "deleteAccount"
>;

interface Row {
  id: number;
  name: string;
  kind: AccountRow["kind"];
  source: string;
  subject: string | null;
  password: string | null;
  epoch: number;
  disabled: number;
  groups: string;
  created_at: number;
}

/** @param raise raises the version, inside the transaction that changes a right */
export function createAccountMetadata(
  { prepare, write }: SqliteDatabase,
  raise: () => void,
): AccountMetadata {
  const byName = prepare<Row, [string]>("SELECT * FROM accounts WHERE name = ?");
  const byId = prepare<Row, [number]>("SELECT * FROM accounts WHERE id = ?");
  const bySubject = prepare<Row, [string, string]>("SELECT * FROM accounts WHERE source = ? AND subject = ?");
  const list = prepare<Row, [string, number]>("SELECT * FROM accounts WHERE name > ? ORDER BY name LIMIT ?");
  const any = prepare<{ one: 1 }, []>("SELECT 1 AS one FROM accounts LIMIT 1");
  const insert = prepare<Row, [string, string, string, string | null, string | null, string, number]>(
    `INSERT INTO accounts (name, kind, source, subject, password, groups, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO NOTHING RETURNING *`,
  );
  const update = prepare<null, [string | null, number, string, number, number]>(
    "UPDATE accounts SET password = ?, disabled = ?, groups = ?, epoch = epoch + ? WHERE id = ?",
  );
  const forgetLogins = prepare<null, [number]>(
    "DELETE FROM credentials WHERE account_id = ? AND kind = 'refresh'",
  );
  const remove = prepare<null, [number]>("DELETE FROM accounts WHERE id = ?");
  const removeCredentials = prepare<null, [number]>("DELETE FROM credentials WHERE account_id = ?");
  const removeGrants = prepare<null, [string]>(
    "DELETE FROM grants WHERE subject_kind = 'account' AND subject = ?",
  );

  return {
    findAccount: (name) => toAccount(byName.get(name)),
    getAccount: (id) => toAccount(byId.get(id)),
    findAccountOf: (source, subject) => toAccount(bySubject.get(source, subject)),
    hasAccounts: () => any.get() !== null,
    listAccounts({ after = "", limit }) {
      const page = toPage(list.all(after, limit + 1), limit, (row) => row.name);
      const items = page.items.flatMap((name) => toAccount(byName.get(name)) ?? []);
      return { ...page, items };
    },
    createAccount: ({ name, kind, source, subject = null, password = null, groups = [] }) =>
      write(() => {
        const row = insert.get(name, kind, source, subject, password, JSON.stringify(groups), Date.now());
        if (row) raise();
        return toAccount(row);
      }),
    changeAccount: (name, { password, disabled, groups }) =>
      write(() => {
        const row = byName.get(name);
        if (!row) return false;
        const ends = password !== undefined || (disabled ?? false);
        update.run(
          password ?? row.password,
          disabled === undefined ? row.disabled : Number(disabled),
          groups ? JSON.stringify(groups) : row.groups,
          ends ? 1 : 0,
          row.id,
        );
        if (ends) forgetLogins.run(row.id);
        raise();
        return true;
      }),
    deleteAccount: (name) =>
      write(() => {
        const row = byName.get(name);
        if (!row) return false;
        removeCredentials.run(row.id);
        removeGrants.run(name);
        remove.run(row.id);
        raise();
        return true;
      }),
  };
}

function toAccount(row: Row | null): AccountRow | undefined {
  if (!row) return undefined;
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    source: row.source,
    epoch: row.epoch,
    disabled: row.disabled !== 0,
    groups: JSON.parse(row.groups) as string[], // safe: written above
    createdAt: row.created_at,
    ...(row.subject === null ? {} : { subject: row.subject }),
    ...(row.password === null ? {} : { password: row.password }),
  };
}
