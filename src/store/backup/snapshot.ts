import { Database } from "bun:sqlite";
import { algorithmOf, type Digest } from "../../oci/digests.ts";
import { digestOf } from "../../registry/hash.ts";
import type { FileContent } from "./copying.ts";

/** The metadata of one moment, in a file that nobody changes. */
export interface Snapshot {
  readonly total: { readonly blobs: number; readonly bytes: number };
  /** The blobs that have files, page by page. */
  pages(): Iterable<readonly FileContent[]>;
  /** Whether a blob is one of these. */
  has(digest: Digest): boolean;
  /** A blob that stands in the metadata. A backup takes these as they are: not if its bytes are damaged. */
  smallBlob(digest: Digest): Uint8Array | undefined;
  /** Likewise. */
  manifest(digest: Digest): { readonly bytes: Uint8Array; readonly mediaType: string } | undefined;
  close(): void;
}

const pageSize = 500;
const hasFile = "NOT EXISTS (SELECT 1 FROM small_blobs WHERE blob_id = blobs.id)";

/** @param path a database of this Berth's schema or of an older one's */
export function openSnapshot(path: string): Snapshot {
  const db = new Database(path, { readonly: true, strict: true });
  const total = db.prepare<{ blobs: number; bytes: number | null }, []>(
    `SELECT count(*) AS blobs, sum(size) AS bytes FROM blobs WHERE ${hasFile}`,
  );
  const page = db.prepare<FileContent & { id: number }, [number, number]>(
    `SELECT id, digest, size FROM blobs WHERE id > ? AND ${hasFile} ORDER BY id LIMIT ?`,
  );
  const find = db.prepare<{ id: number }, [string]>(`SELECT id FROM blobs WHERE digest = ? AND ${hasFile}`);
  const small = db.prepare<{ bytes: Uint8Array }, [string]>(
    "SELECT s.bytes FROM blobs b JOIN small_blobs s ON s.blob_id = b.id WHERE b.digest = ?",
  );
  const manifest = db.prepare<{ bytes: Uint8Array; mediaType: string }, [string]>(
    "SELECT bytes, media_type AS mediaType FROM manifests WHERE digest = ?",
  );
  const isWhole = ({ bytes }: { readonly bytes: Uint8Array }, digest: Digest): boolean =>
    digestOf(bytes, algorithmOf(digest)) === digest;
  const { blobs, bytes } = total.get() ?? { blobs: 0, bytes: 0 };
  return {
    total: { blobs, bytes: bytes ?? 0 },
    *pages() {
      for (let after = 0; ; ) {
        const rows = page.all(after, pageSize);
        const last = rows[rows.length - 1];
        if (!last) return;
        yield rows;
        after = last.id;
      }
    },
    has: (digest) => find.get(digest) !== null,
    smallBlob: (digest) => small.all(digest).find((row) => isWhole(row, digest))?.bytes,
    manifest: (digest) => manifest.all(digest).find((row) => isWhole(row, digest)),
    close() {
      // With one left, SQLite would keep the file until that is collected: its disk could not be taken away.
      for (const statement of [total, page, find, small, manifest]) statement.finalize();
      db.close(true);
    },
  };
}
