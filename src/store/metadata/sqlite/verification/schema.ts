/**
 * What verifications find, and what a backup needs to know.
 *
 * `verifications` has one row for each, with the place that it has come to. `lost_blobs` are blobs whose bytes are not
 * there or are not theirs: the rows of the blob and its links stay, so that a push of the bytes brings back all that
 * needs them. `store_identity` tells this store's backups from those of another.
 */
export const verificationTables = `
  CREATE TABLE verifications (
    id INTEGER PRIMARY KEY,
    started_by TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    finished_at INTEGER,
    stage TEXT NOT NULL,
    cursor TEXT NOT NULL,
    counts TEXT NOT NULL
  ) STRICT;

  CREATE TABLE faults (
    verification_id INTEGER NOT NULL REFERENCES verifications,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    repository TEXT NOT NULL,
    detail TEXT NOT NULL,
    mended TEXT,
    PRIMARY KEY (verification_id, kind, subject, repository)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE lost_blobs (
    blob_id INTEGER PRIMARY KEY REFERENCES blobs,
    since INTEGER NOT NULL,
    why TEXT NOT NULL
  ) STRICT;
  CREATE TRIGGER lost_blob_forgotten AFTER DELETE ON blobs BEGIN
    DELETE FROM lost_blobs WHERE blob_id = OLD.id;
  END;

  CREATE TABLE store_identity (id TEXT NOT NULL) STRICT;
  INSERT INTO store_identity VALUES (lower(hex(randomblob(16))));
`;

/** For how long the server that was last started over the store keeps uploads, in one row. */
export const uploadExpiryTable = `
  CREATE TABLE upload_expiry (ms INTEGER NOT NULL) STRICT;
  INSERT INTO upload_expiry VALUES (0);
`;
