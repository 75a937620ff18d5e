import { dirname } from "node:path";
import type { Digest } from "../../oci/digests.ts";
import { forEachBounded } from "../../registry/concurrency.ts";
import { makeDurableFolder, syncFolder } from "../../registry/files/durable.ts";
import type { BlobFiles } from "../blobs/files.ts";
import type { Fault } from "../metadata/verification.ts";
import { createPacer } from "../verify/pacing.ts";
import { copyVerified, type FileContent, isCopied } from "./copying.ts";

/** How far copying is. */
export interface CopyCounts {
  /** Blobs that are in files, and their bytes. */
  readonly blobs: number;
  readonly bytes: number;
  /** Of these, what was copied, and what was there already. */
  readonly copied: number;
  readonly copiedBytes: number;
  readonly present: number;
  /** What could not be copied. */
  readonly faults: number;
}

/** How blobs are copied. */
export interface CopyBlobsOptions {
  /** All blobs, page by page. */
  readonly pages: Iterable<readonly FileContent[]>;
  readonly total: Pick<CopyCounts, "blobs" | "bytes">;
  readonly from: BlobFiles;
  readonly to: BlobFiles;
  readonly bytesPerSecond?: number | undefined;
  readonly signal: AbortSignal;
  readonly onFault: (fault: Fault) => void;
  readonly onProgress: (counts: CopyCounts) => void;
}

/** What became of blobs. */
export interface CopiedBlobs {
  readonly counts: CopyCounts;
  /** Those that could not be copied. */
  readonly lost: readonly Digest[];
}

/** Files that are copied at once: the disk syncs some while others are read. */
const concurrency = 4;

/**
 * Copies blobs that are not there yet, and verifies them. What cannot be copied is told, and the rest is copied. Resolves
 * to what is lost so when all else is durable.
 * @throws as `copyVerified`
 */
export async function copyBlobs(options: CopyBlobsOptions): Promise<CopiedBlobs> {
  const { pages, from, to, signal, onFault, onProgress } = options;
  const pacer = createPacer(options.bytesPerSecond, signal);
  const folders = new Set<string>();
  const lost: Digest[] = [];
  const counts = { ...options.total, copied: 0, copiedBytes: 0, present: 0, faults: 0 };
  const onBytes = (bytes: number): void => {
    counts.copiedBytes += bytes;
    onProgress(counts);
  };
  for (const page of pages) {
    await forEachBounded(page, concurrency, async (content) => {
      const { digest, size } = content;
      const path = to.pathOf(digest);
      if (await isCopied(path, size)) {
        counts.present++;
        onProgress(counts);
        return;
      }
      const folder = dirname(path);
      if (!folders.has(folder)) await makeDurableFolder(folder);
      folders.add(folder);
      const wrong = await copyVerified(from.pathOf(digest), path, content, { pacer, signal, onBytes });
      if (wrong) {
        counts.faults++;
        lost.push(digest);
        onFault({ ...wrong, subject: digest });
      } else counts.copied++;
      onProgress(counts);
    });
  }
  for (const folder of folders) await syncFolder(folder);
  return { counts: { ...counts }, lost };
}
