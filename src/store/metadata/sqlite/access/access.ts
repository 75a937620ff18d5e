import type { AccessMetadata } from "../../access.ts";
import type { SqliteDatabase } from "../database.ts";
import { createAccountMetadata } from "./accounts.ts";
import { createCredentialMetadata } from "./credentials.ts";
import { createGrantMetadata } from "./grants.ts";

/** Accounts, grants and credentials in SQLite. */
export function createAccessMetadata(database: SqliteDatabase): AccessMetadata {
  const { prepare, write } = database;
  const version = prepare<{ version: number }, []>("SELECT version FROM access_state");
  const raiseVersion = prepare<null, []>("UPDATE access_state SET version = version + 1");
  const raise = (): void => void raiseVersion.run();
  const keys = prepare<{ id: string; jwk: string; created_at: number }, []>(
    "SELECT id, jwk, created_at FROM signing_keys ORDER BY created_at DESC",
  );
  const newerKey = prepare<{ id: string }, [number]>(
    "SELECT id FROM signing_keys WHERE created_at > ? LIMIT 1",
  );
  const addKey = prepare<null, [string, string, number]>(
    "INSERT INTO signing_keys (id, jwk, created_at) VALUES (?, ?, ?)",
  );
  const removeKeys = prepare<null, [number]>("DELETE FROM signing_keys WHERE created_at < ?");
  return {
    ...createAccountMetadata(database, raise),
    ...createGrantMetadata(database, raise),
    ...createCredentialMetadata(database, raise),
    version: () => version.get()?.version ?? 0,
    signingKeys: () => keys.all().map((row) => ({ id: row.id, jwk: row.jwk, createdAt: row.created_at })),
    addSigningKey: (key, newerThan, obsolete) =>
      write(() => {
        if (newerKey.get(newerThan)) return; // another worker was faster
        addKey.run(key.id, key.jwk, key.createdAt);
        removeKeys.run(obsolete);
      }),
  };
}
