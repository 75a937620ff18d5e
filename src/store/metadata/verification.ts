import type { Digest } from "../../oci/digests.ts";
import type { Manifest } from "../../oci/manifests.ts";
import type { RepositoryName } from "../../oci/names.ts";
import type { Eventually } from "./eventually.ts";

/** What a verification looks at, in this order. */
export const verifyStages = [
  "database",
  "manifests",
  "tags",
  "links",
  "referrers",
  "blobs",
  "files",
  "done",
] as const;
export type VerifyStage = (typeof verifyStages)[number];

/** What is wrong with something. */
export const faultKinds = [
  /** The database finds its own file damaged. */
  "metadata-damaged",
  "manifest-damaged",
  /** A manifest names what its repository does not hold. */
  "reference-missing",
  "tag-broken",
  "link-broken",
  "referrer-broken",
  "blob-lost",
  "blob-damaged",
  /** The system refuses to read it: nothing is known of its bytes. */
  "blob-unreadable",
  "stray-blob",
  "stray-upload",
  /** A file that Berth did not make. */
  "foreign-file",
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Something that is not as it has to be. */
export interface Fault {
  readonly kind: FaultKind;
  /** A digest, a tag, or a path below the data folder. */
  readonly subject: string;
  /** A repository that it concerns; of several, the first. */
  readonly repository?: string;
  /** What was expected and what was found. */
  readonly detail: string;
  /** How it was made whole again; absent if it was not. */
  readonly mended?: string;
}

/** What a verification has looked at. */
export interface VerifyCounts {
  readonly manifests: number;
  readonly tags: number;
  readonly links: number;
  readonly blobs: number;
  /** Bytes of blobs that were read. */
  readonly bytes: number;
  readonly files: number;
  /** What was found wrong, and how much of it was mended. */
  readonly faults: number;
  readonly mended: number;
}

/** Who began a verification: each goes on with its own. `command` is `berth verify`, `repair` that with `--repair`. */
export type Verifier = "server" | "command" | "repair";

/** A verification, under way or over. Times are milliseconds since 1970. */
export interface VerificationRow {
  readonly id: number;
  readonly by: Verifier;
  readonly startedAt: number;
  /** When it last said how far it is. */
  readonly updatedAt: number;
  readonly finishedAt?: number;
  readonly stage: VerifyStage;
  /** How far it is in its stage; empty at the beginning. */
  readonly cursor: string;
  readonly counts: VerifyCounts;
}

/** How far a verification has come. */
export type VerifyPlace = Pick<VerificationRow, "stage" | "cursor" | "counts">;

/** A manifest with all that is recorded of it. */
export interface InspectedManifest {
  readonly id: number;
  readonly repository: RepositoryName;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
  readonly bytes: Uint8Array;
  /** The blobs that it is recorded to need and that its repository links. */
  readonly blobs: ReadonlySet<Digest>;
  /** The manifests that it is recorded to list and that are in its repository. */
  readonly children: ReadonlySet<Digest>;
  /** Whether it is recorded to refer to a subject. */
  isReferrerOf(subject: Digest): boolean;
}

/** A blob as it is recorded. */
export interface InspectedBlob {
  readonly id: number;
  readonly digest: Digest;
  readonly size: number;
  /** The blob itself, when it stands in the metadata. */
  readonly bytes?: Uint8Array;
  /** Whether it is known to be lost. */
  readonly isLost: boolean;
}

/** A page of rows that refer to nothing. */
export interface BrokenPage {
  readonly faults: readonly Fault[];
  /** How many rows were looked at. */
  readonly looked: number;
  /** Where the next page begins; absent at the end. */
  readonly next?: string;
}

/** The stages that find rows which refer to nothing. */
export type RowStage = "tags" | "links" | "referrers";

/** What verifications know, and what they look at. As in `Metadata`, each method that writes is one transaction. */
export interface VerificationMetadata {
  /** The verification that `by` has begun and not finished. */
  unfinished(by: Verifier): Eventually<VerificationRow | undefined>;
  /** Begins one; what `by` had not finished is given up, by `repair` also what `command` had not. Of those that are over, the last few are kept. */
  begin(by: Verifier): Promise<VerificationRow>;
  /**
   * Notes how far it is and, of what was found on the way, the first thousands. With the stage `done` it is over. Resolves
   * to whether it was still recorded: another one may have been begun that gave it up.
   */
  advance(
    run: Pick<VerificationRow, "id" | "by" | "startedAt">,
    place: VerifyPlace,
    faults: readonly Fault[],
  ): Promise<boolean>;
  get(id: number): Eventually<VerificationRow | undefined>;
  /** The newest first. */
  list(limit: number): Eventually<readonly VerificationRow[]>;
  /** The first faults of a verification, by kind. */
  listFaults(id: number, limit: number): Eventually<readonly Fault[]>;

  /** For how long the server that was last started keeps uploads nobody goes on with, in milliseconds; 0 if it never said. */
  uploadExpiry(): Eventually<number>;
  noteUploadExpiry(ms: number): Promise<void>;

  /** What the database itself finds wrong with its file. Takes as long as reading it. @throws `signal.reason` */
  checkDatabase(signal: AbortSignal): Promise<readonly string[]>;
  /** In the order of their ids. */
  inspectManifests(after: number, limit: number): Eventually<readonly InspectedManifest[]>;
  inspectRows(stage: RowStage, cursor: string, limit: number): Eventually<BrokenPage>;
  inspectBlobs(after: number, limit: number): Eventually<readonly InspectedBlob[]>;
  /**
   * Whether a blob has its bytes in a file, or had and that is about to be removed. What stands in the metadata has none:
   * a file of it would never be read.
   */
  knowsFile(digest: Digest): Eventually<boolean>;
  /** Does something with the file of a blob inside a transaction, if {@link knowsFile} says no in it. @returns what `take` does */
  takeUnknownFile(digest: Digest, take: () => boolean): Promise<boolean>;
  /** Repositories that link a blob, at most `limit`. */
  holdersOf(digest: Digest, limit: number): Eventually<readonly RepositoryName[]>;

  /**
   * Notes that a blob's bytes are lost, if `isGone` says so inside the transaction: from then on no manifest that names it
   * is taken. A push of the blob takes it back.
   */
  loseBlob(digest: Digest, why: string, isGone: () => boolean): Promise<void>;
  /** Takes damaged bytes of a small blob out of the metadata, if these are still its bytes: it is lost then. */
  dropSmallBlob(digest: Digest, why: string, bytes: Uint8Array): Promise<void>;
  /** Notes that a blob that was lost is there again; `bytes` when it stands in the metadata. */
  findLostBlob(digest: Digest, bytes?: Uint8Array): Promise<void>;
  /** How many blobs are known to be lost. */
  countLost(): Eventually<number>;
  /** Records again what a manifest names, as far as it is there. Resolves to whether all of it is. */
  mendReferences(id: number, manifest: Manifest): Promise<boolean>;
  /** Puts a manifest's true bytes in the place of damaged ones. */
  mendManifest(id: number, bytes: Uint8Array): Promise<void>;
}
