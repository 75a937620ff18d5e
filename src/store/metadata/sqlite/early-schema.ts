/**
 * One step of the migrations in schema.ts. While Berth was made, the entries of some versions were changed after stores had
 * been written by them: this brings those to what a new store has, and changes nothing there.
 */
export const earlyTables = {
  missingColumns: [
    { table: "repositories", column: "version_cursor", type: "TEXT" },
    { table: "collection_runs", column: "slot", type: "INTEGER NOT NULL DEFAULT 0" },
  ],
  sql: `
  CREATE TABLE IF NOT EXISTS small_blobs (
    blob_id INTEGER PRIMARY KEY REFERENCES blobs,
    bytes BLOB NOT NULL
  ) STRICT;
  DROP INDEX IF EXISTS tags_closed;
  DROP INDEX IF EXISTS tags_open_by_age;

  ALTER TABLE removed_files RENAME TO removed_files_before;
  CREATE TABLE removed_files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL
  ) STRICT;
  INSERT INTO removed_files (digest, size) SELECT digest, size FROM removed_files_before;
  DROP TABLE removed_files_before;

  UPDATE blob_links SET queued = 1, held_until = 1000 * unixepoch() + 86400000
  WHERE queued = 0 AND held_until IS NULL AND NOT EXISTS
    (SELECT 1 FROM manifest_blobs e
     WHERE e.blob_id = blob_links.blob_id AND e.repository_id = blob_links.repository_id);
  `,
};
