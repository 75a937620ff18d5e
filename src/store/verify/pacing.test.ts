import { describe, expect, test } from "bun:test";
import { createPacer } from "./pacing.ts";

describe("createPacer", () => {
  test("take lets through no more than its rate, but for a short burst", async () => {
    const pacer = createPacer(1_000_000, new AbortController().signal);
    const began = performance.now();
    for (let at = 0; at < 6; at++) await pacer.take(50_000);
    expect(performance.now() - began).toBeGreaterThan(150); // 300 ms of bytes, of which 100 may come at once
  });

  test("take stops waiting when the work is aborted", async () => {
    const stop = new AbortController();
    const pacer = createPacer(1, stop.signal);
    const waiting = pacer.take(1_000_000);
    stop.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    await expect(pacer.take(0)).rejects.toThrow("enough");
  });
});
