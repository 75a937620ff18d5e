/**
 * What collection decides by, one step of the migrations in ../schema.ts.
 *
 * `blob_links.held_until` is absent while a manifest of the repository names the blob. Else it is the time until which
 * somebody may count on the blob: who uploaded or mounted it, or was told that it exists. `queued` marks links that are
 * to be reviewed then; those that only a removed manifest needs are not, until that manifest's time is over.
 * `removed_manifest_blobs` has what removed manifests named. `removed_files` has blobs that are no longer in the metadata
 * and whose files may still be there. While a row of `collection_holds` has not expired, nothing is removed.
 */
export const collectionTables = `
  ALTER TABLE manifest_blobs RENAME TO manifest_blobs_before;
  DROP INDEX manifest_blobs_by_blob;
  CREATE TABLE manifest_blobs (
    manifest_id INTEGER NOT NULL REFERENCES manifests,
    blob_id INTEGER NOT NULL REFERENCES blobs,
    repository_id INTEGER NOT NULL REFERENCES repositories,
    PRIMARY KEY (manifest_id, blob_id)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO manifest_blobs
    SELECT e.manifest_id, e.blob_id, m.repository_id
    FROM manifest_blobs_before e JOIN manifests m ON m.id = e.manifest_id ORDER BY e.manifest_id, e.blob_id;
  DROP TABLE manifest_blobs_before;
  CREATE INDEX manifest_blobs_by_blob ON manifest_blobs (blob_id, repository_id);

  ALTER TABLE removed_manifests RENAME TO removed_manifests_before;
  CREATE TABLE removed_manifests (
    id INTEGER PRIMARY KEY,
    repository_id INTEGER NOT NULL REFERENCES repositories,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    bytes BLOB NOT NULL,
    removed_at INTEGER NOT NULL,
    removed_in INTEGER NOT NULL REFERENCES changes,
    UNIQUE (repository_id, digest)
  ) STRICT;
  INSERT INTO removed_manifests (repository_id, digest, media_type, bytes, removed_at, removed_in)
    SELECT repository_id, digest, media_type, bytes, removed_at, removed_in
    FROM removed_manifests_before ORDER BY removed_at;
  DROP TABLE removed_manifests_before;
  CREATE INDEX removed_manifests_by_age ON removed_manifests (removed_at);

  CREATE TABLE removed_manifest_blobs (
    removed_id INTEGER NOT NULL REFERENCES removed_manifests,
    blob_id INTEGER NOT NULL REFERENCES blobs,
    repository_id INTEGER NOT NULL REFERENCES repositories,
    PRIMARY KEY (removed_id, blob_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX removed_manifest_blobs_by_blob ON removed_manifest_blobs (blob_id, repository_id);
  INSERT OR IGNORE INTO removed_manifest_blobs
    SELECT r.id, b.id, r.repository_id FROM removed_manifests r,
      json_tree(CASE WHEN json_valid(CAST(r.bytes AS TEXT)) THEN CAST(r.bytes AS TEXT) ELSE '{}' END) named
    JOIN blobs b ON b.digest = named.atom WHERE named.key = 'digest' AND named.path <> '$.subject';

  ALTER TABLE blob_links ADD COLUMN held_until INTEGER;
  ALTER TABLE blob_links ADD COLUMN queued INTEGER NOT NULL DEFAULT 0;
  UPDATE blob_links SET queued = 1, held_until = 1000 * unixepoch() + 86400000 WHERE deleted_at IS NOT NULL
    OR NOT EXISTS (SELECT 1 FROM manifest_blobs e
      WHERE e.blob_id = blob_links.blob_id AND e.repository_id = blob_links.repository_id);
  CREATE INDEX blob_links_queued ON blob_links (held_until) WHERE queued = 1;
  CREATE INDEX blob_links_deleted ON blob_links (blob_id) WHERE deleted_at IS NOT NULL;

  CREATE TABLE removed_files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE collection_holds (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    holder TEXT NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE collection_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    actor TEXT NOT NULL,
    slot INTEGER NOT NULL,
    grace INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    alive_at INTEGER NOT NULL,
    ended_at INTEGER,
    outcome TEXT,
    manifests INTEGER NOT NULL DEFAULT 0,
    links INTEGER NOT NULL DEFAULT 0,
    blobs INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  CREATE TABLE collection_totals (
    manifests INTEGER NOT NULL,
    links INTEGER NOT NULL,
    blobs INTEGER NOT NULL,
    bytes INTEGER NOT NULL
  ) STRICT;
  INSERT INTO collection_totals VALUES (0, 0, 0, 0);
`;

/**
 * `removed_files.taken` marks files that were taken away from where blobs are looked for: an upload of the same digest
 * has another file, and may be removed in its turn before the first one is gone.
 */
export const takenFiles = `
  ALTER TABLE removed_files RENAME TO removed_files_before;
  CREATE TABLE removed_files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    taken INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  INSERT INTO removed_files (id, digest, size) SELECT id, digest, size FROM removed_files_before;
  DROP TABLE removed_files_before;
  CREATE UNIQUE INDEX removed_files_in_place ON removed_files (digest) WHERE taken = 0;
`;
