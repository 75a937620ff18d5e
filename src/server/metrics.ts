import type { RepositoryStatistics, StoreTotals } from "../store/metadata/metadata.ts";
import type { VerificationRow } from "../store/metadata/verification.ts";
import { type CollectionFigures, collectionFamilies, type Sample } from "./collection-metrics.ts";

/** Upper bounds of the buckets of a request's duration, milliseconds. */
const bounds = [1, 5, 25, 100, 500, 2500, 10_000, 60_000];

interface Durations {
  /** Requests by bucket, one more than {@link bounds}. */
  readonly buckets: number[];
  /** Milliseconds. */
  sum: number;
}

/** What one process counted since it started; plain data that can be sent to another process. */
export interface Snapshot {
  /** By `route method status`. */
  readonly requests: Record<string, number>;
  readonly durations: Record<string, Durations>;
  bytesIn: number;
  bytesOut: number;
  /** Bytes of memory. */
  memory: number;
}

/** Counts what a process does. Counting is on the path of every request: it adds to numbers and does nothing else. */
export interface Metrics {
  countRequest(route: string, method: string, status: number, ms: number): void;
  /** Bytes of blobs that came in and that were asked for. */
  countBytes(bytesIn: number, bytesOut: number): void;
  snapshot(): Snapshot;
}

export function createMetrics(): Metrics {
  const requests = new Map<string, Map<string, Map<number, { count: number }>>>();
  const durations = new Map<string, Durations>();
  let bytesIn = 0;
  let bytesOut = 0;
  return {
    countRequest(route, method, status, ms) {
      const byMethod = entry(requests, route, () => new Map<string, Map<number, { count: number }>>());
      const byStatus = entry(byMethod, method, () => new Map<number, { count: number }>());
      entry(byStatus, status, () => ({ count: 0 })).count++;
      const taken = entry(durations, route, () => ({ buckets: bounds.concat(0).fill(0), sum: 0 }));
      let bucket = 0;
      while (bucket < bounds.length && ms > (bounds[bucket] ?? 0)) bucket++;
      taken.buckets[bucket] = (taken.buckets[bucket] ?? 0) + 1;
      taken.sum += ms;
    },
    countBytes(into, out) {
      bytesIn += into;
      bytesOut += out;
    },
    snapshot() {
      const counts: Record<string, number> = {};
      for (const [route, byMethod] of requests)
        for (const [method, byStatus] of byMethod)
          for (const [status, { count }] of byStatus) counts[`${route} ${method} ${status}`] = count;
      const memory = process.memoryUsage.rss();
      return { requests: counts, durations: Object.fromEntries(durations), bytesIn, bytesOut, memory };
    },
  };
}

function entry<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

/** What the store says of itself, the same from every process. */
export interface StoreFigures {
  readonly totals: StoreTotals;
  readonly openUploads: number;
  /** Shown each by itself; a few at most, for each is two series. */
  readonly repositories: readonly RepositoryStatistics[];
  readonly collection: CollectionFigures;
  /** The newest first. */
  readonly verifications: readonly VerificationRow[];
  readonly lostBlobs: number;
}

/** The content type of {@link renderMetrics}. */
export const metricsContentType = "text/plain; version=0.0.4; charset=utf-8";

/** Writes the sums of several processes in Prometheus' text format. */
export function renderMetrics(
  snapshots: readonly Snapshot[],
  { totals, openUploads, repositories, collection, verifications, lostBlobs }: StoreFigures,
): string {
  const lines: string[] = [];
  const family = (name: string, type: string, help: string, samples: readonly Sample[]): void => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const [labels, value] of samples) lines.push(`${name}${labels} ${value}`);
  };
  const single = (name: string, type: string, help: string, value: number): void =>
    family(name, type, help, [["", value]]);
  const sum = (pick: (snapshot: Snapshot) => number): number =>
    snapshots.reduce((all, one) => all + pick(one), 0);

  family(
    "berth_http_requests_total",
    "counter",
    "Requests by route, method and status code",
    requestSamples(snapshots),
  );
  lines.push(...durationLines(snapshots));
  single(
    "berth_blob_bytes_in_total",
    "counter",
    "Bytes of blobs that came in",
    sum((one) => one.bytesIn),
  );
  single(
    "berth_blob_bytes_out_total",
    "counter",
    "Bytes of blobs that were asked for",
    sum((one) => one.bytesOut),
  );
  single(
    "berth_blob_bytes_received_total",
    "counter",
    "Bytes of blobs uploaded in the store's life",
    totals.bytesReceived,
  );
  single(
    "berth_blob_bytes_saved_total",
    "counter",
    "Bytes that pushes did not have to send",
    totals.bytesSaved,
  );
  const byRepository = (bytes: "bytesReceived" | "bytesSaved"): [string, number][] =>
    repositories.map((one) => [`{repository="${one.repository}"}`, one[bytes]]);
  family(
    "berth_repository_bytes_received_total",
    "counter",
    "Bytes of blobs uploaded to a repository, of those that most was pushed to",
    byRepository("bytesReceived"),
  );
  family(
    "berth_repository_bytes_saved_total",
    "counter",
    "Bytes that pushes to a repository did not have to send",
    byRepository("bytesSaved"),
  );
  single("berth_store_blob_bytes", "gauge", "Bytes of all blobs, each counted once", totals.blobBytes);
  single("berth_store_blobs", "gauge", "Blobs in the store", totals.blobs);
  single("berth_store_repositories", "gauge", "Repositories in the store", totals.repositories);
  single("berth_uploads_open", "gauge", "Upload sessions that are open", openUploads);
  for (const [name, type, help, samples] of collectionFamilies(collection)) family(name, type, help, samples);
  single("berth_lost_blobs", "gauge", "Blobs whose bytes are known to be lost or damaged", lostBlobs);
  for (const [name, help, value] of verificationFigures(verifications)) single(name, "gauge", help, value);
  single(
    "berth_process_resident_memory_bytes",
    "gauge",
    "Memory of all worker processes",
    sum((one) => one.memory),
  );
  return `${lines.join("\n")}\n`;
}

/** Of the last verification that read everything; zero while there was none. */
function verificationFigures(rows: readonly VerificationRow[]): readonly [string, string, number][] {
  const last = rows.find(({ finishedAt }) => finishedAt !== undefined);
  const { faults = 0, mended = 0, bytes = 0 } = last?.counts ?? {};
  return [
    ["berth_verified_timestamp_seconds", "When the last verification ended", (last?.finishedAt ?? 0) / 1000],
    ["berth_verified_bytes", "Bytes of blobs that the last verification read", bytes],
    ["berth_verified_faults", "What the last verification found wrong and did not mend", faults - mended],
  ];
}

function requestSamples(snapshots: readonly Snapshot[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const { requests } of snapshots)
    for (const [key, count] of Object.entries(requests)) counts.set(key, (counts.get(key) ?? 0) + count);
  return [...counts].map(([key, count]) => {
    const [route, method, code] = key.split(" ");
    return [`{route="${route}",method="${method}",code="${code}"}`, count];
  });
}

function durationLines(snapshots: readonly Snapshot[]): string[] {
  const name = "berth_http_request_duration_seconds";
  const lines = [`# HELP ${name} Time from a request's headers to its answer's`, `# TYPE ${name} histogram`];
  for (const route of new Set(snapshots.flatMap((one) => Object.keys(one.durations)))) {
    const taken = snapshots.flatMap((one) => one.durations[route] ?? []);
    let below = 0;
    for (let bucket = 0; bucket <= bounds.length; bucket++) {
      below += taken.reduce((all, one) => all + (one.buckets[bucket] ?? 0), 0);
      const bound = bounds[bucket];
      const le = bound === undefined ? "+Inf" : String(bound / 1000);
      lines.push(`${name}_bucket{route="${route}",le="${le}"} ${below}`);
    }
    lines.push(`${name}_sum{route="${route}"} ${taken.reduce((all, one) => all + one.sum, 0) / 1000}`);
    lines.push(`${name}_count{route="${route}"} ${below}`);
  }
  return lines;
}
