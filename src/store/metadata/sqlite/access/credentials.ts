import type { AccessMetadata, CredentialRow } from "../../access.ts";
import type { SqliteDatabase } from "../database.ts";

type CredentialMetadata = Pick<
  AccessMetadata,
  | "findCredential"
  | "getCredential"
  | "listTokens"
  | "createCredential"
  | "revokeCredential"
  | "touchCredentials"
  | "useOnce"
  | "removeExpiredCredentials"
>;

interface Row {
  id: string;
  account_id: number;
  kind: CredentialRow["kind"];
  name: string;
  limits: string | null;
  created_at: number;
  expires_at: number | null;
  last_used_at: number | null;
}

/** @param raise raises the version, inside the transaction that changes a right */
export function createCredentialMetadata(
  { prepare, write }: SqliteDatabase,
  raise: () => void,
): CredentialMetadata {
  const columns = "id, account_id, kind, name, limits, created_at, expires_at, last_used_at";
  const valid = "(expires_at IS NULL OR expires_at > ?)";
  const byHash = prepare<Row, [Uint8Array, number]>(
    `SELECT ${columns} FROM credentials WHERE hash = ? AND ${valid}`,
  );
  const byId = prepare<Row, [string, number]>(`SELECT ${columns} FROM credentials WHERE id = ? AND ${valid}`);
  const list = prepare<Row, [number]>(
    `SELECT ${columns} FROM credentials WHERE account_id = ? AND kind = 'token' ORDER BY created_at DESC`,
  );
  const insert = prepare<
    null,
    [string, number, string, string, Uint8Array, string | null, number, number | null]
  >(
    `INSERT INTO credentials (id, account_id, kind, name, hash, limits, created_at, expires_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const remove = prepare<{ id: string }, [number, string]>(
    "DELETE FROM credentials WHERE account_id = ? AND id = ? RETURNING id",
  );
  const touch = prepare<null, [number, string]>("UPDATE credentials SET last_used_at = ? WHERE id = ?");
  const removeExpired = prepare<null, [number]>("DELETE FROM credentials WHERE expires_at <= ?");

  const use = prepare<{ until: number }, [Uint8Array, number]>(
    "INSERT INTO used_tokens (hash, until) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING until",
  );
  const forget = prepare<null, [number]>("DELETE FROM used_tokens WHERE until < ?");

  return {
    findCredential: (hash, now) => toCredential(byHash.get(hash, now)),
    getCredential: (id, now) => toCredential(byId.get(id, now)),
    listTokens: (accountId) => list.all(accountId).flatMap((row) => toCredential(row) ?? []),
    createCredential: ({ id, accountId, kind, name, hash, limits = null, expiresAt = null }) =>
      write(() => void insert.run(id, accountId, kind, name, hash, limits, Date.now(), expiresAt)),
    revokeCredential: (accountId, id) =>
      write(() => {
        const row = remove.get(accountId, id);
        if (row) raise();
        return row !== null;
      }),
    touchCredentials: (uses) =>
      write(() => {
        for (const [id, at] of uses) touch.run(at, id);
      }),
    useOnce: (hash, until, now) =>
      write(() => {
        forget.run(now);
        return use.get(hash, until) !== null;
      }),
    removeExpiredCredentials: (now) => write(() => void removeExpired.run(now)),
  };
}

function toCredential(row: Row | null): CredentialRow | undefined {
  if (!row) return undefined;
  return {
    id: row.id,
    accountId: row.account_id,
    kind: row.kind,
    name: row.name,
    createdAt: row.created_at,
    ...(row.limits === null ? {} : { limits: row.limits }),
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }),
    ...(row.last_used_at === null ? {} : { lastUsedAt: row.last_used_at }),
  };
}
