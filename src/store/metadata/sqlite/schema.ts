import type { Database } from "bun:sqlite";
import { RegistryError } from "../../../oci/errors.ts";
import { accessTables, auditTables, usedTokenTables } from "./access/schema.ts";
import { collectionTables, takenFiles } from "./collection/schema.ts";
import { earlyTables } from "./early-schema.ts";
import { applyMigration, type Migration } from "./migration.ts";
import { tagTables } from "./tags/schema.ts";
import { usageTables } from "./usage-schema.ts";
import { uploadExpiryTable, verificationTables } from "./verification/schema.ts";

/**
 * One entry a version, forward only. A released entry is never changed: tests/keeping/migrations.test.ts knows the hash of
 * each.
 *
 * Times are milliseconds since 1970. `blob_links.deleted_at` marks what was deleted on purpose: a question whether the
 * blob exists does not link it again. `blob_links.unclaimed` marks bytes that were uploaded and that no manifest has
 * named yet. A tag's row is closed when the tag moves or goes, never overwritten; the open row is the present.
 */
export const migrations: readonly Migration[] = [
  `
  CREATE TABLE repositories (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    manifests INTEGER NOT NULL DEFAULT 0,
    bytes_received INTEGER NOT NULL DEFAULT 0,
    bytes_saved INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX repositories_listed ON repositories (name) WHERE manifests > 0;

  CREATE TABLE blobs (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    stored_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE small_blobs (
    blob_id INTEGER PRIMARY KEY REFERENCES blobs,
    bytes BLOB NOT NULL
  ) STRICT;

  CREATE TABLE blob_links (
    repository_id INTEGER NOT NULL REFERENCES repositories,
    blob_id INTEGER NOT NULL REFERENCES blobs,
    linked_at INTEGER NOT NULL,
    deleted_at INTEGER,
    unclaimed INTEGER NOT NULL,
    PRIMARY KEY (repository_id, blob_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX blob_links_by_blob ON blob_links (blob_id, repository_id) WHERE deleted_at IS NULL;

  CREATE TABLE manifests (
    id INTEGER PRIMARY KEY,
    repository_id INTEGER NOT NULL REFERENCES repositories,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    pushed_at INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE (repository_id, digest)
  ) STRICT;

  CREATE TABLE manifest_blobs (
    manifest_id INTEGER NOT NULL REFERENCES manifests,
    blob_id INTEGER NOT NULL REFERENCES blobs,
    PRIMARY KEY (manifest_id, blob_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX manifest_blobs_by_blob ON manifest_blobs (blob_id, manifest_id);

  CREATE TABLE manifest_children (
    parent_id INTEGER NOT NULL REFERENCES manifests,
    child_id INTEGER NOT NULL REFERENCES manifests,
    PRIMARY KEY (parent_id, child_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX manifest_children_by_child ON manifest_children (child_id, parent_id);

  CREATE TABLE referrers (
    repository_id INTEGER NOT NULL REFERENCES repositories,
    subject TEXT NOT NULL,
    digest TEXT NOT NULL,
    artifact_type TEXT NOT NULL,
    descriptor TEXT NOT NULL,
    PRIMARY KEY (repository_id, subject, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX referrers_by_type ON referrers (repository_id, subject, artifact_type, digest);

  CREATE TABLE tags (
    id INTEGER PRIMARY KEY,
    repository_id INTEGER NOT NULL REFERENCES repositories,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    closed_at INTEGER
  ) STRICT;
  CREATE UNIQUE INDEX tags_open ON tags (repository_id, name) WHERE closed_at IS NULL;
  CREATE INDEX tags_open_by_digest ON tags (repository_id, digest) WHERE closed_at IS NULL;
  CREATE INDEX tags_open_by_age ON tags (repository_id, opened_at) WHERE closed_at IS NULL;
  CREATE INDEX tags_past ON tags (repository_id, name, opened_at);

  CREATE TABLE totals (
    repositories INTEGER NOT NULL,
    blobs INTEGER NOT NULL,
    blob_bytes INTEGER NOT NULL,
    bytes_received INTEGER NOT NULL,
    bytes_saved INTEGER NOT NULL
  ) STRICT;
  INSERT INTO totals VALUES (0, 0, 0, 0, 0);
  `,
  accessTables,
  tagTables,
  auditTables,
  usageTables,
  usedTokenTables,
  collectionTables,
  verificationTables,
  "CREATE INDEX repositories_by_bytes ON repositories (bytes_received + bytes_saved)",
  uploadExpiryTable,
  earlyTables,
  takenFiles,
];

/** The version that this program writes. */
export const schemaVersion = migrations.length;

/**
 * Brings the database to a version, {@link schemaVersion} but in tests.
 * @throws RegistryError UNAVAILABLE when a newer Berth wrote it
 */
export function migrate(db: Database, target = schemaVersion): void {
  if (versionOf(db) === target) return;
  const step = db.transaction(() => {
    const version = versionOf(db); // again: another worker may have been faster
    if (version > schemaVersion) {
      throw new RegistryError(
        "UNAVAILABLE",
        `the store has schema version ${version}, this Berth knows up to ${schemaVersion}: start the newer Berth that wrote it`,
      );
    }
    for (const migration of migrations.slice(version, target)) applyMigration(db, migration);
    db.run(`PRAGMA user_version = ${target}`);
  });
  step.immediate();
}

function versionOf(db: Database): number {
  const row = db.query<{ user_version: number }, []>("PRAGMA user_version").get();
  return row?.user_version ?? 0;
}
