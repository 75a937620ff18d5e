import { Counter, Gauge, Histogram, Registry as MetricRegistry } from "prom-client";
import type { StoreTotals } from "../store/metadata/metadata.ts";

/** What one process counts. */
export interface Metrics {
  countRequest(route: string, method: string, status: number, ms: number): void;
  countBytes(bytesIn: number, bytesOut: number): void;
  /** The Prometheus text format. */
  render(): Promise<string>;
  readonly contentType: string;
}

/** What is read from the store when somebody asks for metrics. */
export interface MetricSources {
  readonly totals: () => StoreTotals | Promise<StoreTotals>;
  readonly openUploads: () => Promise<number>;
}

/** Upper bounds of the buckets of a request's duration, seconds. */
const bounds = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60];

interface Tally {
  readonly labels: { route: string; method: string; code: string };
  count: number;
}

export function createMetrics(sources: MetricSources): Metrics {
  const register = new MetricRegistry();
  const registers = [register];
  // A request adds to plain numbers; the library sees them only when it is asked.
  const tallies = new Map<string, Tally>();
  let bytesIn = 0;
  let bytesOut = 0;
  const durations = new Histogram({
    name: "berth_http_request_duration_seconds",
    help: "Time from a request's headers to its answer's, by route",
    labelNames: ["route"],
    buckets: bounds,
    registers,
  });
  new Counter({
    name: "berth_http_requests_total",
    help: "Requests by route, method and status code",
    labelNames: ["route", "method", "code"],
    registers,
    collect() {
      this.reset();
      for (const { labels, count } of tallies.values()) this.inc(labels, count);
    },
  });
  const counter = (name: string, help: string, value: () => number | Promise<number>): void =>
    void new Counter({
      name,
      help,
      registers,
      async collect() {
        this.reset();
        this.inc(await value());
      },
    });
  const gauge = (name: string, help: string, value: () => number | Promise<number>): void =>
    void new Gauge({
      name,
      help,
      registers,
      async collect() {
        this.set(await value());
      },
    });
  counter("berth_blob_bytes_in_total", "Bytes of blobs that came in", () => bytesIn);
  counter("berth_blob_bytes_out_total", "Bytes of blobs that were asked for", () => bytesOut);
  counter(
    "berth_blob_bytes_received_total",
    "Bytes of blobs stored by uploads, over the store's life",
    async () => (await sources.totals()).bytesReceived,
  );
  counter(
    "berth_blob_bytes_saved_total",
    "Bytes that pushes did not have to send",
    async () => (await sources.totals()).bytesSaved,
  );
  gauge(
    "berth_store_blob_bytes",
    "Bytes of all blobs, each counted once",
    async () => (await sources.totals()).blobBytes,
  );
  gauge("berth_store_blobs", "Blobs in the store", async () => (await sources.totals()).blobs);
  gauge(
    "berth_store_repositories",
    "Repositories in the store",
    async () => (await sources.totals()).repositories,
  );
  gauge("berth_uploads_open", "Upload sessions that are open", sources.openUploads);
  gauge("berth_process_resident_memory_bytes", "Memory of this process", () => process.memoryUsage.rss());

  return {
    countRequest(route, method, status, ms) {
      const key = `${route} ${method} ${status}`;
      const tally = tallies.get(key);
      if (tally) tally.count++;
      else if (tallies.size < 1000)
        tallies.set(key, { labels: { route, method, code: String(status) }, count: 1 });
      durations.observe({ route }, ms / 1000);
    },
    countBytes(into, out) {
      bytesIn += into;
      bytesOut += out;
    },
    render: () => register.metrics(),
    contentType: register.contentType,
  };
}
