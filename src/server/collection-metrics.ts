import type { CollectionBacklog, CollectionRun } from "../store/metadata/collection.ts";

/** Labels as they are written, and a value. */
export type Sample = readonly [string, number];
/** Name, type, help and samples. */
export type Family = readonly [string, "counter" | "gauge", string, readonly Sample[]];

/** What the metrics tell of collections is made of this. */
export interface CollectionFigures {
  readonly backlog: CollectionBacklog;
  /** The run that goes on, and the last one of each outcome. */
  readonly lastRuns: readonly CollectionRun[];
  /** What was deleted can be brought back for so long, in milliseconds. */
  readonly graceMs: number;
}

/** What collections gave back, what waits for them, and how the last ones ended. */
export function collectionFamilies(figures: CollectionFigures): readonly Family[] {
  return [...givenBack(figures), ...waiting(figures), ...lastRuns(figures)];
}

const gauge = (name: string, help: string, value: number): Family => [name, "gauge", help, [["", value]]];

function givenBack({ backlog: { total } }: CollectionFigures): readonly Family[] {
  const counter = (name: string, help: string, value: number): Family => {
    return [`berth_gc_${name}_total`, "counter", help, [["", value]]];
  };
  return [
    counter("bytes", "Bytes that collections gave back", total.bytes),
    counter("blobs", "Blobs that collections removed", total.blobs),
    counter("links", "Repositories' claims on blobs that collections removed", total.links),
    counter("manifests", "Deleted manifests that were forgotten for good", total.manifests),
  ];
}

function waiting({ backlog, graceMs }: CollectionFigures): readonly Family[] {
  const { oldestRemoval, oldestReview } = backlog;
  const due = [
    ...(oldestRemoval ? [oldestRemoval.getTime() + graceMs] : []),
    ...(oldestReview ? [oldestReview.getTime()] : []),
  ];
  return [
    gauge(
      "berth_gc_removed_manifests",
      "Deleted manifests that can be brought back, counted up to 10000",
      backlog.removedManifests,
    ),
    gauge(
      "berth_gc_reviews",
      "Blobs that are to be reviewed, in each repository, counted up to 10000",
      backlog.reviews,
    ),
    [
      "berth_gc_oldest_due_timestamp_seconds",
      "gauge",
      "When the first of these is due, also in the future; absent if there are none",
      due.length === 0 ? [] : [["", Math.min(...due) / 1000]],
    ],
    gauge("berth_gc_files", "Files that are to be removed, counted up to 10000", backlog.files),
    gauge("berth_gc_file_bytes", "Bytes of these files", backlog.fileBytes),
    gauge("berth_gc_holds", "Who keeps collections from removing anything", backlog.holds.length),
  ];
}

function lastRuns({ lastRuns }: CollectionFigures): readonly Family[] {
  const ended = lastRuns.flatMap(({ startedAt, endedAt, outcome }) =>
    endedAt && outcome
      ? [{ at: endedAt.getTime(), ms: endedAt.getTime() - startedAt.getTime(), outcome }]
      : [],
  );
  const last = ended.toSorted((one, other) => other.at - one.at)[0];
  return [
    gauge("berth_gc_running", "Whether a collection is going on", Number(ended.length < lastRuns.length)),
    [
      "berth_gc_last_run_timestamp_seconds",
      "gauge",
      "When the last collection of each outcome ended",
      ended.map(({ at, outcome }): Sample => [`{outcome="${outcome}"}`, at / 1000]),
    ],
    [
      "berth_gc_last_run_duration_seconds",
      "gauge",
      "How long the last collection took that has ended; absent if there was none",
      last ? [["", last.ms / 1000]] : [],
    ],
  ];
}
