import { describe, expect, test } from "bun:test";
import { createLimiter, forEachBounded } from "./concurrency.ts";
import { failureOf } from "./contract/fixtures.ts";

/** Tasks that run until they are told to end, and how many ran at a time. */
function createTasks() {
  const running: (() => void)[] = [];
  let most = 0;
  const task = async (): Promise<void> => {
    const ended = Promise.withResolvers<void>();
    running.push(ended.resolve);
    most = Math.max(most, running.length);
    await ended.promise;
  };
  const drain = async (all: Promise<unknown>): Promise<void> => {
    let done = false;
    const end = all.finally(() => (done = true)).catch(() => {}); // looked at by the caller
    while (!done) {
      running.shift()?.();
      await Promise.resolve();
    }
    await end;
  };
  return { task, drain, most: () => most };
}

describe("createLimiter", () => {
  test("runs at most so many tasks at a time when more are given", async () => {
    const { task, drain, most } = createTasks();
    const limit = createLimiter(3);
    await drain(Promise.all(Array.from({ length: 20 }, () => limit(task))));
    expect(most()).toBe(3);
  });

  test("runs the next task when one fails", async () => {
    const limit = createLimiter(1);
    const failed = failureOf(limit(() => Promise.reject(new Error("first"))));
    expect(await limit(async () => "second")).toBe("second");
    expect(await failed).toEqual(new Error("first"));
  });
});

describe("forEachBounded", () => {
  test("acts on each item, at most so many at a time", async () => {
    const { task, drain, most } = createTasks();
    const seen: number[] = [];
    const items = Array.from({ length: 20 }, (_, at) => at);
    const all = forEachBounded(items, 4, (item) => {
      seen.push(item);
      return task();
    });
    await drain(all);
    expect(seen).toEqual(items);
    expect(most()).toBe(4);
  });

  test("begins no other item after a failure and waits for those that run", async () => {
    const begun: number[] = [];
    const held = Promise.withResolvers<void>();
    let ended = false;
    const all = forEachBounded([0, 1, 2, 3], 2, async (item) => {
      begun.push(item);
      if (item === 1) throw new Error("no");
      await held.promise;
      ended = true;
    });
    const failure = failureOf(all);
    await Promise.resolve();
    held.resolve();
    expect(await failure).toEqual(new Error("no"));
    expect(ended).toBe(true);
    expect(begun).toEqual([0, 1]);
  });

  test("ends at once when there are no items", async () => {
    await forEachBounded([], 4, () => Promise.reject(new Error("never")));
  });
});
