/**
 * What tags have besides their rows.
 *
 * `tags.cause` says why a tag is where it is, `opened_in` and `closed_in` which change did it, `restores` which earlier
 * row it brought back. `version_lines` has the full versions of a repository by the floating tag that they may move,
 * ordered by `key`; `repositories.version_order` says by which order it was made, `version_cursor` up to which tag while
 * it is not whole. `changes` has one row for each
 * transaction, in the order of their commits; `moves` is JSON. `removed_manifests` has what was deleted, until its
 * content is collected.
 */
export const tagTables = `
  ALTER TABLE repositories ADD COLUMN version_order TEXT NOT NULL DEFAULT '';
  ALTER TABLE repositories ADD COLUMN version_cursor TEXT;
  DROP INDEX tags_open_by_age;
  ALTER TABLE tags ADD COLUMN cause TEXT NOT NULL DEFAULT 'push';
  ALTER TABLE tags ADD COLUMN opened_in INTEGER;
  ALTER TABLE tags ADD COLUMN closed_in INTEGER;
  ALTER TABLE tags ADD COLUMN restores INTEGER;

  CREATE TABLE version_lines (
    repository_id INTEGER NOT NULL REFERENCES repositories,
    line TEXT NOT NULL,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (repository_id, line, key, name)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE changes (
    id INTEGER PRIMARY KEY,
    repository_id INTEGER NOT NULL REFERENCES repositories,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    manifest TEXT,
    moves TEXT NOT NULL
  ) STRICT;
  CREATE INDEX changes_by_repository ON changes (repository_id, id);

  CREATE TABLE removed_manifests (
    repository_id INTEGER NOT NULL REFERENCES repositories,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    bytes BLOB NOT NULL,
    removed_at INTEGER NOT NULL,
    removed_in INTEGER NOT NULL REFERENCES changes,
    PRIMARY KEY (repository_id, digest)
  ) STRICT;

  CREATE TABLE pulls (
    repository_id INTEGER NOT NULL REFERENCES repositories,
    digest TEXT NOT NULL,
    pulled_at INTEGER NOT NULL,
    PRIMARY KEY (repository_id, digest)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE tag_rules (
    version INTEGER PRIMARY KEY,
    text TEXT NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL
  ) STRICT;
`;
