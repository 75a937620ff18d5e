/**
 * The tables of accounts, grants and credentials, one step of the migrations in ../schema.ts.
 *
 * AUTOINCREMENT: a signed token names an account by its id, which must not become another's. Secrets are stored as
 * SHA-256 of 256 random bits, passwords as argon2 or bcrypt write them.
 */
export const accessTables = `
  CREATE TABLE access_state (version INTEGER NOT NULL) STRICT;
  INSERT INTO access_state VALUES (1);

  CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    subject TEXT,
    password TEXT,
    epoch INTEGER NOT NULL DEFAULT 1,
    disabled INTEGER NOT NULL DEFAULT 0,
    groups TEXT NOT NULL DEFAULT '[]',
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX accounts_by_subject ON accounts (source, subject) WHERE subject IS NOT NULL;

  CREATE TABLE grants (
    subject_kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    role TEXT NOT NULL,
    repositories TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (subject_kind, subject, repositories, role)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE credentials (
    id TEXT PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    limits TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX credentials_by_account ON credentials (account_id, created_at);
  CREATE INDEX credentials_by_expiry ON credentials (expires_at) WHERE expires_at IS NOT NULL;

  CREATE TABLE signing_keys (
    id TEXT PRIMARY KEY,
    jwk TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
`;

/** Hashes of tokens that are taken only once. */
export const usedTokenTables = `
  CREATE TABLE used_tokens (hash BLOB PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;

/** The table of the record, another step. */
export const auditTables = `
  CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    credential TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    outcome TEXT NOT NULL,
    repository TEXT,
    subject TEXT,
    digest TEXT,
    detail TEXT,
    hash TEXT NOT NULL
  ) STRICT;
  CREATE INDEX audit_by_actor ON audit (actor, id);
  CREATE INDEX audit_by_repository ON audit (repository, id) WHERE repository IS NOT NULL;
  CREATE TABLE audit_anchor (hash TEXT NOT NULL, last_id INTEGER NOT NULL) STRICT;
  INSERT INTO audit_anchor VALUES ('', 0);
`;
