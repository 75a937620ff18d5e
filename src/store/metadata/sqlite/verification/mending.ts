import { referrerDescriptor } from "../../../../oci/manifests.ts";
import { needsOf } from "../../../../registry/manifests.ts";
import type { VerificationMetadata } from "../../verification.ts";
import type { SqliteDatabase } from "../database.ts";
import { createReferrerRows } from "../referrers.ts";

type MendingMetadata = Pick<
  VerificationMetadata,
  "loseBlob" | "dropSmallBlob" | "findLostBlob" | "mendReferences" | "mendManifest"
>;

/** What verifications change. */
export function createMendingMetadata(database: SqliteDatabase): MendingMetadata {
  const { prepare, write } = database;
  const referrers = createReferrerRows(database);
  const findBlob = prepare<{ id: number; size: number }, [string]>(
    "SELECT id, size FROM blobs WHERE digest = ?",
  );
  const lose = prepare<null, [number, number, string]>(
    "INSERT INTO lost_blobs VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET why = excluded.why",
  );
  const find = prepare<null, [number]>("DELETE FROM lost_blobs WHERE blob_id = ?");
  const hasSmall = prepare<{ blob_id: number }, [number]>(
    "SELECT blob_id FROM small_blobs WHERE blob_id = ?",
  );
  const dropSmall = prepare<{ blob_id: number }, [number, Uint8Array]>(
    "DELETE FROM small_blobs WHERE blob_id = ? AND bytes = ? RETURNING blob_id",
  );
  const putSmall = prepare<null, [number, Uint8Array]>("INSERT OR REPLACE INTO small_blobs VALUES (?, ?)");
  const manifest = prepare<{ repository_id: number; digest: string; size: number }, [number]>(
    "SELECT repository_id, digest, size FROM manifests WHERE id = ?",
  );
  const child = prepare<{ id: number }, [number, string]>(
    "SELECT id FROM manifests WHERE repository_id = ? AND digest = ?",
  );
  const addChild = prepare<null, [number, number]>(
    "INSERT OR IGNORE INTO manifest_children (parent_id, child_id) VALUES (?, ?)",
  );
  const addBlob = prepare<null, [number, number, number]>(
    "INSERT OR IGNORE INTO manifest_blobs (manifest_id, blob_id, repository_id) VALUES (?, ?, ?)",
  );
  const link = prepare<null, [number, number, number]>(
    `INSERT INTO blob_links (repository_id, blob_id, linked_at, unclaimed) VALUES (?, ?, ?, 0)
     ON CONFLICT DO UPDATE SET deleted_at = NULL, held_until = NULL, queued = 0`,
  );
  const replace = prepare<null, [Uint8Array, number]>("UPDATE manifests SET bytes = ? WHERE id = ?");

  return {
    loseBlob: (digest, why, isGone) =>
      write(() => {
        const blob = findBlob.get(digest);
        if (blob && !hasSmall.get(blob.id) && isGone()) lose.run(blob.id, Date.now(), why);
      }),
    dropSmallBlob: (digest, why, bytes) =>
      write(() => {
        const blob = findBlob.get(digest);
        // Others than those that were looked at came with a push meanwhile, which verified them.
        if (blob && dropSmall.get(blob.id, bytes)) lose.run(blob.id, Date.now(), why);
      }),
    findLostBlob: (digest, bytes) =>
      write(() => {
        const blob = findBlob.get(digest);
        if (!blob) return;
        if (bytes) putSmall.run(blob.id, bytes);
        find.run(blob.id);
      }),
    mendReferences: (id, parsed) =>
      write(() => {
        const row = manifest.get(id);
        if (!row) return true; // it was deleted meanwhile
        let isWhole = true;
        for (const { descriptor, kind } of needsOf(parsed)) {
          const listed = kind === "blob" ? null : child.get(row.repository_id, descriptor.digest);
          const blob = listed || kind === "manifest" ? null : findBlob.get(descriptor.digest);
          if (listed) addChild.run(id, listed.id);
          else if (blob && blob.size === descriptor.size) {
            link.run(row.repository_id, blob.id, Date.now());
            addBlob.run(id, blob.id, row.repository_id);
          } else isWhole = false;
        }
        if (parsed.subject) {
          const digest = row.digest as typeof parsed.subject.digest; // safe: it was parsed before it was stored
          referrers.add(
            row.repository_id,
            parsed.subject.digest,
            referrerDescriptor(parsed, digest, row.size),
          );
        }
        return isWhole;
      }),
    mendManifest: (id, bytes) => write(() => void replace.run(bytes, id)),
  };
}
