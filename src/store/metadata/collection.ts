import type { Digest } from "../../oci/digests.ts";
import type { BlobFacts, Collected, CollectionRules, ManifestFacts } from "./collection-decisions.ts";
import type { Eventually } from "./eventually.ts";

/** For how long somebody may count on a blob that no manifest names, in milliseconds. */
export interface BlobLeases {
  /** Since it was uploaded or mounted. */
  readonly uploadedMs: number;
  /** Since somebody was told that it exists. */
  readonly toldMs: number;
}

/** A day for what was uploaded, an hour for what was asked about. */
export const defaultLeases: BlobLeases = { uploadedMs: 24 * 3_600_000, toldMs: 3_600_000 };

/** Somebody reads the whole store: nothing is removed. */
export interface CollectionHold {
  readonly id: number;
  /** For people: `backup to /mnt/backup`. */
  readonly holder: string;
  readonly until: Date;
}

/** What one step of a collection did. */
export interface CollectionStep extends Collected {
  /** Whether nothing was done because somebody holds the store. */
  readonly held: boolean;
  /** Files that are away from where blobs are looked for, now or since an earlier step. */
  readonly taken: readonly RemovedFile[];
  /** Whether something is left that could be done now. */
  readonly more: boolean;
  /** Whether another process has written to the metadata since the step before. */
  readonly isBeside: boolean;
}

/** The file of a blob that the metadata no longer have. */
export interface RemovedFile {
  readonly id: number;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/** What became of a file that was to be taken away: `absent`, it was not there; `stuck`, it is where it was. */
export type FileWithdrawal = "taken" | "absent" | "stuck";

/** What a step does about files that earlier steps decided about. */
export interface FileStep {
  /** Gone, and that is durable: what they gave back is counted. */
  readonly gone: readonly RemovedFile[];
  /** Takes a file away from where blobs are looked for, while its blob cannot come back. */
  readonly take: (file: RemovedFile) => FileWithdrawal;
  /** Only files with an id above. */
  readonly after: number;
  /** At most so many; about as many more are decided about. */
  readonly limit: number;
}

/** One collection: what it gave back, exactly, also when it was cut off. */
export interface CollectionRun extends Collected {
  readonly id: number;
  readonly actor: string;
  readonly graceMs: number;
  readonly startedAt: Date;
  /** Absent while it runs. */
  readonly endedAt?: Date;
  /** `held`: somebody holds the store; `interrupted`: the process that did it ended, another run goes on. */
  readonly outcome?: CollectionOutcome;
}

/** Who begins a run. */
export interface NewRun {
  readonly actor: string;
  readonly graceMs: number;
  /** The worker process that runs it. */
  readonly slot: number;
}

export type CollectionOutcome = "done" | "held" | "stopped" | "failed" | "interrupted";

/** What waits for collection. What there may be many of is counted up to {@link mostCounted}. */
export interface CollectionBacklog {
  /** Manifests that can still be brought back. */
  readonly removedManifests: number;
  /** When the oldest of them was removed. */
  readonly oldestRemoval?: Date;
  /** Blobs of repositories, each counted once for each, that are reviewed when their time comes. */
  readonly reviews: number;
  /** When the first of them is due. */
  readonly oldestReview?: Date;
  /** Files that the metadata no longer name and that may still be there. */
  readonly files: number;
  readonly fileBytes: number;
  readonly holds: readonly CollectionHold[];
  /** What all collections together gave back. */
  readonly total: Collected;
}

/** Few enough that counting takes less than a millisecond. */
export const mostCounted = 10_000;

/** A page of blobs that may have become unneeded, in an order of its own. */
export interface CandidatePage {
  readonly blobs: readonly number[];
  /** Where the next page begins; absent on the last. */
  readonly next?: string;
}

/** Collection as the metadata know it. Part of the metadata; the same promises hold. */
export interface CollectionMetadata {
  /**
   * While somebody reads the whole store, a backup for example: nothing is removed, neither rows nor files, before
   * `until`. Renew it well before.
   * @param holder for people: `backup to /mnt/backup`
   * @returns the hold's id
   */
  hold(holder: string, until: Date): Promise<number>;
  /** Resolves to whether the hold is still there; if it is not, what it protected may be gone. */
  renewHold(id: number, until: Date): Promise<boolean>;
  releaseHold(id: number): Promise<void>;

  /**
   * Does a millisecond of a collection in one transaction: forgets removed manifests whose time is over, and decides
   * about blobs that somebody could count on until now. What is collected has no row any more; its file is among
   * `listRemovedFiles`.
   * @param files absent, none are taken away
   */
  collect(run: number, rules: CollectionRules, files?: FileStep): Promise<CollectionStep>;
  /** A file that was to become a blob, and did not: it is to be removed, unless the blob is there after all. */
  addRemovedFile(digest: Digest, size: number): Promise<void>;
  /** Files to remove with an id above `after`, at most `limit`, by id. */
  listRemovedFiles(limit: number, after?: number): Eventually<readonly RemovedFile[]>;
  /** Files that a process took away which ended before the metadata knew that; by id. */
  noteTaken(ids: readonly number[]): Promise<void>;

  /** Begins a run, unless another one goes on, which it then tells. */
  startRun(run: NewRun): Promise<{ readonly id: number; readonly isNew: boolean }>;
  /** Ends the runs of a worker process that begins, and of those that are no more: they ended with theirs. */
  interruptRuns(slot: number, slots: number): Promise<void>;
  endRun(id: number, outcome: CollectionOutcome): Promise<void>;
  getRun(id: number): Eventually<CollectionRun | undefined>;
  /** The latest runs, newest first. */
  listRuns(limit: number): Eventually<readonly CollectionRun[]>;
  /** The run that goes on, and the last one of each outcome, in no order. */
  lastRuns(): Eventually<readonly CollectionRun[]>;

  backlog(): Eventually<CollectionBacklog>;
  /** Whether a run would find something that it may do. Costs one look into each index. */
  hasWork(rules: CollectionRules): Eventually<boolean>;
  /** Blobs that a run would look at, each at least once. */
  listCandidates(rules: CollectionRules, after: string, limit: number): Eventually<CandidatePage>;
  /** What the case of a blob is decided by; at most some `limit` repositories of each kind. */
  blobFacts(blob: number | Digest, limit: number): Eventually<BlobFacts | undefined>;
  /** Where a manifest is, and was removed. */
  manifestFacts(digest: Digest, limit: number): Eventually<readonly ManifestFacts[]>;
  /** How many removed manifests a run would forget. */
  countExpired(rules: CollectionRules): Eventually<number>;
}
