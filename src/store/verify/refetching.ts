import { join } from "node:path";
import type { RepositoryName } from "../../oci/names.ts";
import { openBlob } from "../../registry/blobs.ts";
import { makeDurableFolder } from "../../registry/files/durable.ts";
import type { Registry } from "../../registry/registry.ts";
import { verifyManifest } from "../../registry/verification.ts";
import type { BlobFiles } from "../blobs/files.ts";
import type { Metadata } from "../metadata/metadata.ts";
import type { InspectedBlob, InspectedManifest } from "../metadata/verification.ts";
import { createUploadFiles } from "../upload-files.ts";
import { createUploads } from "../uploads.ts";

/** What became of looking elsewhere. */
export interface Refetched {
  /** Where it came from; absent when it did not come. */
  readonly from?: string;
  /** Why it did not come. */
  readonly why?: string;
}

/** Fetches what is damaged from a registry that has the same repositories, or from a backup. */
export interface Refetcher {
  /** Asks the repositories that hold the blob, one after the other, until one has it. */
  blob(blob: InspectedBlob, holders: readonly RepositoryName[]): Promise<Refetched>;
  manifest(row: InspectedManifest): Promise<Refetched>;
}

/** The other registry, and the store that takes what it sends. */
export interface RefetchOptions {
  readonly source: Pick<Registry, "getBlob" | "getManifest">;
  /** What a repository of the other registry is called. */
  readonly nameOf: (repository: RepositoryName) => string;
  /** The data folder. */
  readonly folder: string;
  readonly metadata: Metadata;
  readonly blobs: BlobFiles;
  readonly signal: AbortSignal;
}

/** A source that sends nothing for so long is given up. Milliseconds. */
const stallMs = 60_000;

/** What comes is verified before it takes the place of anything. Why it does not come is told, not thrown. */
export function createRefetcher(options: RefetchOptions): Refetcher {
  const { source, nameOf, folder, metadata, blobs, signal } = options;
  const { verification } = metadata;
  const { putBlob } = createUploads({
    sessions: createUploadFiles({ folder: join(folder, "uploads"), slot: 0, slots: 1, maxOpen: 1 }),
    ...{ blobs, stallMs },
    async link(_repository, { digest, bytes }) {
      await verification.findLostBlob(digest, bytes);
      return true;
    },
  });
  const attempt = async (fetch: () => Promise<void>, from: string): Promise<Refetched> => {
    try {
      await fetch();
      return { from };
    } catch (error) {
      signal.throwIfAborted();
      return { why: `not from ${from}: ${error instanceof Error ? error.message : String(error)}` };
    }
  };
  return {
    async blob({ digest, size }, holders) {
      let outcome: Refetched = {};
      for (const repository of holders) {
        outcome = await attempt(async () => {
          await makeDurableFolder(join(folder, "uploads")); // a restored store that was never served has none
          const handle = await source.getBlob(repository, digest, { signal, size });
          await putBlob(repository, { digest, size }, await openBlob(handle, undefined, { signal }), {
            signal,
          });
        }, nameOf(repository));
        if (outcome.from !== undefined) break;
      }
      return outcome;
    },
    manifest: ({ id, repository, digest, size, mediaType }) =>
      attempt(async () => {
        const stored = await source.getManifest(repository, digest, { signal });
        verifyManifest(stored, { digest, size, mediaType });
        await verification.mendManifest(id, stored.bytes);
      }, nameOf(repository)),
  };
}
