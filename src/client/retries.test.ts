import { describe, expect, test } from "bun:test";
import { failureOf } from "../registry/contract/fixtures.ts";
import { createAttempts } from "./attempts.ts";
import { defaultRetryPolicy, delayBefore, retryAfterOf, wait } from "./retries.ts";

describe("delayBefore", () => {
  const policy = { ...defaultRetryPolicy, attempts: 5, minDelayMs: 100, maxDelayMs: 500 };

  test("delayBefore doubles the wait up to the longest, and shortens it by up to a half", () => {
    const delays = (random: number) =>
      [1, 2, 3, 4].map((attempt) => delayBefore(policy, attempt, undefined, () => random));
    expect(delays(0)).toEqual([100, 200, 400, 500]);
    expect(delays(1)).toEqual([50, 100, 200, 250]);
  });

  test("delayBefore gives none after the last attempt, or when the server asks for too long a wait", () => {
    expect(delayBefore(policy, 5, undefined)).toBeUndefined();
    expect(delayBefore(policy, 1, policy.maxRetryAfterMs + 1)).toBeUndefined();
    expect(delayBefore(policy, 1, policy.maxRetryAfterMs)).toBe(policy.maxRetryAfterMs);
  });
});

describe("retryAfterOf", () => {
  test("retryAfterOf reads seconds and dates", () => {
    const now = Date.parse("Wed, 25 Nov 2026 09:00:00 GMT");
    expect(retryAfterOf(" 120 ", now)).toBe(120_000);
    expect(retryAfterOf("Wed, 25 Nov 2026 09:00:30 GMT", now)).toBe(30_000);
    expect(retryAfterOf("Wed, 25 Nov 2026 08:00:00 GMT", now)).toBe(0);
    for (const header of [undefined, "", "soon", "-1"]) {
      expect(retryAfterOf(header, now) ?? 0).toBe(0);
    }
  });
});

describe("createAttempts", () => {
  const policy = { ...defaultRetryPolicy, attempts: 3, minDelayMs: 0 };
  const error = new Error("broken");

  test("createAttempts gives up after so many failures without progress", async () => {
    const attempts = createAttempts(policy, undefined);
    await attempts.failed(error, true);
    await attempts.failed(error, true);
    expect(await failureOf(attempts.failed(error, true))).toBe(error);
  });

  test("createAttempts counts anew when enough got through, but not for a trickle", async () => {
    const attempts = createAttempts(policy, undefined);
    for (let at = 1; at <= 10; at++) {
      await attempts.failed(error, true);
      attempts.reached(at * 300_000);
    }
    const trickle = createAttempts(policy, undefined);
    await trickle.failed(error, true);
    trickle.reached(10);
    await trickle.failed(error, true);
    trickle.reached(20);
    expect(await failureOf(trickle.failed(error, true))).toBe(error);
  });

  test("createAttempts gives up at once when the failure does not pass", async () => {
    expect(await failureOf(createAttempts(policy, undefined).failed(error, false))).toBe(error);
  });
});

describe("wait", () => {
  test("wait ends with the signal's reason as soon as it aborts", async () => {
    const stop = new AbortController();
    const waiting = failureOf(wait(60_000, stop.signal));
    stop.abort(new Error("enough"));
    expect(await waiting).toBe(stop.signal.reason);
    expect(await failureOf(wait(0, stop.signal))).toBe(stop.signal.reason);
  });
});
