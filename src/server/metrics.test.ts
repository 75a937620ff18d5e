import { describe, expect, test } from "bun:test";
import { parseRepositoryName } from "../oci/names.ts";
import { createMetrics, renderMetrics } from "./metrics.ts";

const counts = { manifests: 5, links: 6, blobs: 7, bytes: 8 };
const run = { ...counts, id: 1, actor: "berth", graceMs: 0, startedAt: new Date(5000) };
const collection = {
  backlog: {
    ...{ removedManifests: 1, reviews: 2, files: 3, fileBytes: 4, holds: [], total: counts },
    ...{ oldestRemoval: new Date(90_000), oldestReview: new Date(100_000) },
  },
  lastRuns: [
    { ...run, endedAt: new Date(7500), outcome: "done" as const },
    { ...run, id: 2, endedAt: new Date(6000), outcome: "failed" as const },
    { ...run, id: 3 },
  ],
  graceMs: 60_000,
};
const totals = { repositories: 2, blobs: 3, blobBytes: 40, bytesReceived: 50, bytesSaved: 60 };

describe("renderMetrics", () => {
  test("renderMetrics adds up what several processes counted", () => {
    const [one, other] = [createMetrics(), createMetrics()];
    one.countRequest("tag", "GET", 200, 0.5);
    one.countRequest("tag", "GET", 200, 30);
    other.countRequest("tag", "GET", 200, 100_000);
    other.countRequest("blob", "HEAD", 404, 2);
    one.countBytes(10, 1);
    other.countBytes(5, 2);
    const text = renderMetrics([one.snapshot(), other.snapshot()], {
      totals,
      collection,
      openUploads: 7,
      verifications: [],
      lostBlobs: 0,
      repositories: [{ repository: parseRepositoryName("team/app"), bytesReceived: 8, bytesSaved: 9 }],
    });
    for (const line of [
      'berth_http_requests_total{route="tag",method="GET",code="200"} 3',
      'berth_http_requests_total{route="blob",method="HEAD",code="404"} 1',
      'berth_http_request_duration_seconds_bucket{route="tag",le="0.001"} 1',
      'berth_http_request_duration_seconds_bucket{route="tag",le="0.1"} 2',
      'berth_http_request_duration_seconds_bucket{route="tag",le="60"} 2',
      'berth_http_request_duration_seconds_bucket{route="tag",le="+Inf"} 3',
      'berth_http_request_duration_seconds_count{route="tag"} 3',
      "berth_blob_bytes_in_total 15",
      "berth_blob_bytes_out_total 3",
      "berth_blob_bytes_saved_total 60",
      "berth_uploads_open 7",
      'berth_repository_bytes_received_total{repository="team/app"} 8',
      'berth_repository_bytes_saved_total{repository="team/app"} 9',
      "berth_gc_bytes_total 8",
      "berth_gc_removed_manifests 1",
      "berth_gc_oldest_due_timestamp_seconds 100",
      "berth_gc_running 1",
      'berth_gc_last_run_timestamp_seconds{outcome="done"} 7.5',
      'berth_gc_last_run_timestamp_seconds{outcome="failed"} 6',
      "berth_gc_last_run_duration_seconds 2.5",
    ]) {
      expect(text.split("\n")).toContain(line);
    }
  });

  test("renderMetrics writes only lines of the text format", () => {
    const metrics = createMetrics();
    metrics.countRequest("tag", "GET", 200, 1);
    const lines = renderMetrics([metrics.snapshot()], {
      totals,
      openUploads: 0,
      verifications: [],
      lostBlobs: 0,
      collection,
      repositories: [],
    })
      .trimEnd()
      .split("\n");
    const shape =
      /^(?:# (?:HELP|TYPE) [a-z_]+ .+|[a-z_]+(?:\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})? [0-9.e+-]+)$/;
    expect(lines.filter((line) => !shape.test(line))).toEqual([]);
  });
});
