import type { Digest } from "../../oci/digests.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";
import type { Taken } from "../../store/local-files.ts";

/** Something that was not imported, and why. */
export interface Fault {
  readonly where: string;
  /** Of the error table, or of the operating system. */
  readonly code: string;
  readonly message: string;
}

/** What becomes of tags: `new` and `moved` ones point elsewhere now, `kept` ones stay where the destination had them. */
export type TagFate = "new" | "moved" | "same" | "kept" | "failed";

/** What was counted of a whole import, or of one repository. */
export interface Counts {
  readonly tags: Readonly<Record<TagFate, number>>;
  /** Manifests that the destination did not have. */
  readonly manifests: number;
  /** Blobs that the repository did not have, and how they came: mounted from another one, or sent. */
  readonly blobs: Readonly<Record<"mounted" | "sent", number>>;
  /** Bytes of those that were sent. */
  readonly bytes: number;
  /** Tags and manifests that were removed, because they are gone since the archive before. */
  readonly removed: number;
}

/** What became of one repository. */
export interface RepositoryReport extends Counts {
  readonly source: string;
  /** At the destination. */
  readonly repository: RepositoryName;
  readonly faults: readonly Fault[];
  /** What the person who imports should know. */
  readonly notes: readonly string[];
}

/** What became of everything. */
export interface ImportReport extends Counts {
  readonly destination: string;
  readonly dryRun: boolean;
  readonly repositories: number;
  readonly faults: readonly Fault[];
  /** What the person who imports should know, each once. */
  readonly notes: readonly string[];
  /** Into a data folder: how the bytes of blobs came there. */
  readonly files?: Readonly<Record<Taken, { readonly blobs: number; readonly bytes: number }>>;
  /** Why it ended before its end. */
  readonly stopped?: Fault;
}

/** Counts that grow. */
export interface Tally {
  readonly faults: Fault[];
  readonly notes: ReadonlySet<string>;
  note(text: string): void;
  removed(): void;
  tag(fate: TagFate, count?: number): void;
  manifest(): void;
  blob(how: "mounted" | "sent", size: number): void;
  add(other: Counts & Pick<RepositoryReport, "faults" | "notes">): void;
  counts(): Counts;
}

/** Begins to count. */
export function createTally(): Tally {
  const tags = { new: 0, moved: 0, same: 0, kept: 0, failed: 0 };
  const blobs = { mounted: 0, sent: 0 };
  let manifests = 0;
  let bytes = 0;
  let removed = 0;
  const faults: Fault[] = [];
  const notes = new Set<string>();
  return {
    ...{ faults, notes },
    note: (text) => void notes.add(text),
    removed() {
      removed += 1;
    },
    tag(fate, count = 1) {
      tags[fate] += count;
    },
    manifest() {
      manifests += 1;
    },
    blob(how, size) {
      blobs[how] += 1;
      if (how === "sent") bytes += size;
    },
    add(other) {
      for (const fate of ["new", "moved", "same", "kept", "failed"] as const) tags[fate] += other.tags[fate];
      blobs.mounted += other.blobs.mounted;
      blobs.sent += other.blobs.sent;
      manifests += other.manifests;
      bytes += other.bytes;
      removed += other.removed;
      faults.push(...other.faults);
      for (const note of other.notes) notes.add(note);
    },
    counts: () => ({ tags: { ...tags }, blobs: { ...blobs }, manifests, bytes, removed }),
  };
}

/** Where a tag or manifest is, for a report. */
export function placeText(repository: RepositoryName, tags: readonly Tag[], digest: Digest): string {
  return tags.length > 0 ? `${repository}:${tags.join(", ")}` : `${repository}@${digest}`;
}
