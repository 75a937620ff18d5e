import { existsSync } from "node:fs";
import { join } from "node:path";
import { encodedOf } from "../../oci/digests.ts";
import type { BlobFiles } from "../blobs/files.ts";
import type { Metadata } from "../metadata/metadata.ts";
import type { Fault, InspectedBlob, InspectedManifest } from "../metadata/verification.ts";
import type { BlobVerdict } from "./blobs.ts";
import type { ManifestVerdict } from "./manifests.ts";
import { createQuarantine } from "./quarantine.ts";
import type { Refetched, Refetcher } from "./refetching.ts";
import { foldersOf, type Stray } from "./strays.ts";

/** Does something about faults. Each method resolves to the faults with what was done. */
export interface Mender {
  blob(blob: InspectedBlob, verdict: BlobVerdict, fault: Fault): Promise<Fault>;
  /** A blob that was lost is whole again. */
  foundBlob(blob: InspectedBlob): Promise<void>;
  manifest(row: InspectedManifest, verdict: ManifestVerdict): Promise<readonly Fault[]>;
  /** Resolves to nothing when the file has become known, or has gone. */
  stray(stray: Stray): Promise<Fault | undefined>;
}

export interface MenderOptions {
  /** The data folder. */
  readonly folder: string;
  readonly metadata: Metadata;
  readonly blobs: BlobFiles;
}

/** How many repositories that hold a blob are asked for it elsewhere. */
const mostHolders = 10;

/**
 * Takes damaged blobs out of use at once: they are answered as not there from then on, and a push of them brings them
 * back. Nothing else is changed, nothing is deleted.
 */
export function createQuarantiner({ folder, metadata, blobs }: MenderOptions): Mender {
  const { verification } = metadata;
  const quarantine = createQuarantine(folder);
  return {
    async blob(blob, verdict, fault) {
      const { digest } = blob;
      if (verdict.state === "whole" || verdict.state === "blob-unreadable") return fault;
      if (blob.bytes) {
        const to = await quarantine.keep(encodedOf(digest), blob.bytes);
        await verification.dropSmallBlob(digest, verdict.detail, blob.bytes);
        return moved(fault, to);
      }
      const path = blobs.pathOf(digest);
      const to = verdict.inode === undefined ? undefined : await quarantine.take(path, verdict.inode);
      // Where no blob has a file, a disk is not mounted, perhaps.
      if (to !== undefined || (await hasBlobs(folder))) {
        await verification.loseBlob(digest, verdict.detail, () => !existsSync(path));
      }
      return to === undefined ? fault : moved(fault, to);
    },
    foundBlob: ({ digest }) => verification.findLostBlob(digest),
    manifest: async (_row, { faults }) => faults,
    stray: async ({ fault }) => fault,
  };
}

/** As {@link createQuarantiner}, and mends what can be mended. */
export function createMender(options: MenderOptions, refetcher?: Refetcher): Mender {
  const { folder, metadata } = options;
  const { verification } = metadata;
  const quarantine = createQuarantine(folder);
  const quarantiner = createQuarantiner(options);
  return {
    ...quarantiner,
    async blob(blob, verdict, fault) {
      const done = await quarantiner.blob(blob, verdict, fault);
      if (!refetcher || verdict.state === "blob-unreadable") return done;
      const holders = await verification.holdersOf(blob.digest, mostHolders);
      return withOutcome(done, await refetcher.blob(blob, holders));
    },
    async manifest(row, { faults, manifest }) {
      if (!manifest) {
        const found = await refetcher?.manifest(row);
        return faults.map((fault) => (found ? withOutcome(fault, found) : fault));
      }
      const isWhole = await verification.mendReferences(row.id, manifest);
      return faults.map((fault) =>
        isWhole || fault.kind === "referrer-broken" ? { ...fault, mended: "recorded again" } : fault,
      );
    },
    async stray({ fault, inode, digest }) {
      const path = join(folder, fault.subject);
      // A push may make it its blob's at this moment.
      const to = digest
        ? await quarantine.takeUnless(path, inode, (move) => verification.takeUnknownFile(digest, move))
        : await quarantine.take(path, inode);
      return to === undefined ? undefined : { ...fault, mended: `moved to ${to}` };
    },
  };
}

function withOutcome(fault: Fault, { from, why }: Refetched): Fault {
  if (from !== undefined) return { ...fault, mended: `fetched again from ${from}` };
  return why === undefined ? fault : { ...fault, detail: `${fault.detail}; ${why}` };
}

function moved(fault: Fault, to: string): Fault {
  return { ...fault, detail: `${fault.detail}; moved to ${to}` };
}

async function hasBlobs(folder: string): Promise<boolean> {
  const folders = await foldersOf(folder);
  return folders.some((below) => below.split("/").length > 2);
}
