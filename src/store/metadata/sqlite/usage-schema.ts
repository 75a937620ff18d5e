/**
 * How many bytes each repository holds: its manifests and the blobs that it links, whoever else links them too. Triggers
 * keep it in the transaction of every change, whichever part of the store makes it.
 */
export const usageTables = `
  ALTER TABLE repositories ADD COLUMN bytes_held INTEGER NOT NULL DEFAULT 0;
  UPDATE repositories SET bytes_held =
    (SELECT coalesce(sum(b.size), 0) FROM blob_links l JOIN blobs b ON b.id = l.blob_id
     WHERE l.repository_id = repositories.id AND l.deleted_at IS NULL)
    + (SELECT coalesce(sum(m.size), 0) FROM manifests m WHERE m.repository_id = repositories.id);

  CREATE TRIGGER blob_linked AFTER INSERT ON blob_links WHEN NEW.deleted_at IS NULL BEGIN
    UPDATE repositories SET bytes_held = bytes_held + (SELECT size FROM blobs WHERE id = NEW.blob_id)
    WHERE id = NEW.repository_id;
  END;
  CREATE TRIGGER blob_linked_again AFTER UPDATE OF deleted_at ON blob_links
  WHEN OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NULL BEGIN
    UPDATE repositories SET bytes_held = bytes_held + (SELECT size FROM blobs WHERE id = NEW.blob_id)
    WHERE id = NEW.repository_id;
  END;
  CREATE TRIGGER blob_unlinked AFTER UPDATE OF deleted_at ON blob_links
  WHEN OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL BEGIN
    UPDATE repositories SET bytes_held = bytes_held - (SELECT size FROM blobs WHERE id = NEW.blob_id)
    WHERE id = NEW.repository_id;
  END;
  CREATE TRIGGER blob_link_removed AFTER DELETE ON blob_links WHEN OLD.deleted_at IS NULL BEGIN
    UPDATE repositories SET bytes_held = bytes_held - (SELECT size FROM blobs WHERE id = OLD.blob_id)
    WHERE id = OLD.repository_id;
  END;
  CREATE TRIGGER manifest_added AFTER INSERT ON manifests BEGIN
    UPDATE repositories SET bytes_held = bytes_held + NEW.size WHERE id = NEW.repository_id;
  END;
  CREATE TRIGGER manifest_removed AFTER DELETE ON manifests BEGIN
    UPDATE repositories SET bytes_held = bytes_held - OLD.size WHERE id = OLD.repository_id;
  END;
`;
