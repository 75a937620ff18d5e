import { describe, expect, test } from "bun:test";
import { createAttemptLimiter } from "./attempts.ts";

const limits = {
  pair: { free: 3, firstMs: 1000, longestMs: 8000 },
  account: { free: 6, firstMs: 1000, longestMs: 4000 },
  address: { free: 6, firstMs: 1000, longestMs: 4000 },
};

function makeLimiter() {
  const clock = { now: 1_000_000 };
  const limiter = createAttemptLimiter(limits, () => clock.now);
  /** Milliseconds to wait; 0 when the attempt was let through. */
  const guess = (account: string, address: string) => {
    const attempt = limiter.begin(account, address);
    return "waitMs" in attempt ? attempt.waitMs : 0;
  };
  const logIn = (account: string, address: string) => {
    const attempt = limiter.begin(account, address);
    if ("waitMs" in attempt) return false;
    attempt.succeed();
    return true;
  };
  return { clock, guess, logIn };
}

describe("createAttemptLimiter", () => {
  test("begin makes each further guess wait twice as long, up to a limit", () => {
    const { clock, guess } = makeLimiter();
    const waits: number[] = [];
    for (let count = 0; count < 9; count++) {
      const wait = guess("alice", "10.0.0.1");
      waits.push(wait);
      if (wait === 0) continue;
      clock.now += wait;
      guess("alice", "10.0.0.1");
    }
    expect(waits).toEqual([0, 0, 0, 1000, 2000, 4000, 8000, 8000, 8000]);
  });

  test("begin lets none through beyond the free ones when many guess at once", () => {
    const { guess } = makeLimiter();
    const through = Array.from({ length: 5000 }, () => guess("alice", "10.0.0.1")).filter(
      (wait) => wait === 0,
    );
    expect(through).toHaveLength(limits.pair.free);
  });

  test("begin holds up one address that guesses at many accounts", () => {
    const { guess } = makeLimiter();
    const waits = Array.from({ length: 8 }, (_, at) => guess(`user-${at}`, "10.0.0.1"));
    expect(waits.filter((wait) => wait === 0)).toHaveLength(limits.address.free);
    expect(guess("someone", "10.0.0.2")).toBe(0);
  });

  test("begin holds up many addresses that guess at one account, but not where its owner logged in before", () => {
    const { guess, logIn } = makeLimiter();
    expect(logIn("alice", "10.0.0.99")).toBe(true);
    const waits = Array.from({ length: 8 }, (_, at) => guess("alice", `10.0.0.${at}`));
    expect(waits.filter((wait) => wait > 0).length).toBeGreaterThan(0);
    expect(logIn("alice", "10.0.0.99")).toBe(true);
    expect(logIn("alice", "10.0.0.98")).toBe(false);
  });

  test("begin forgets guesses when there were none for a quarter of an hour", () => {
    const { clock, guess } = makeLimiter();
    while (guess("alice", "10.0.0.1") === 0);
    clock.now += 15 * 60_000;
    expect(guess("alice", "10.0.0.1")).toBe(0);
  });

  test("begin does not let whoever owns one account guess at others without end", () => {
    const { guess, logIn } = makeLimiter();
    let through = 0;
    for (let round = 0; round < 20; round++) {
      logIn("mallory", "10.0.0.1");
      if (guess(`user-${round}`, "10.0.0.1") === 0) through++;
    }
    expect(through).toBeLessThanOrEqual(limits.address.free);
  });
});
