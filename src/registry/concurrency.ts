/** Runs tasks, at most so many at a time, in the order in which they are given. */
export type Limiter = <T>(task: () => Promise<T>) => Promise<T>;

/** @param bound at least 1 */
export function createLimiter(bound: number): Limiter {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (task) => {
    if (running >= bound) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}

/**
 * Does something with each item, at most `bound` at a time. After a failure no other is begun; rejects with the first
 * failure when those that were begun have ended.
 */
export async function forEachBounded<T>(
  items: readonly T[],
  bound: number,
  act: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  const failures: unknown[] = [];
  const work = async (): Promise<void> => {
    for (let next = rest.next(); !next.done && failures.length === 0; next = rest.next()) {
      await act(next.value).catch((error: unknown) => failures.push(error));
    }
  };
  const workers: Promise<void>[] = [];
  for (let at = 0; at < Math.min(bound, items.length); at++) workers.push(work());
  await Promise.all(workers);
  if (failures.length > 0) throw failures[0];
}
