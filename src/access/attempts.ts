import { dropOldest } from "./bounded.ts";

/** How many wrong passwords are free, and how long one waits after each further one. */
export interface AttemptLimit {
  readonly free: number;
  /** Doubled with each further one, up to `longestMs`. */
  readonly firstMs: number;
  readonly longestMs: number;
}

/** Limits by who is guessed at, from where, and both. */
export interface AttemptLimits {
  /** One account from one address. */
  readonly pair: AttemptLimit;
  /** One account from anywhere: many addresses that guess together. */
  readonly account: AttemptLimit;
  /** Any account from one address. */
  readonly address: AttemptLimit;
}

export const defaultAttemptLimits: AttemptLimits = {
  pair: { free: 5, firstMs: 1000, longestMs: 300_000 },
  account: { free: 20, firstMs: 1000, longestMs: 30_000 },
  address: { free: 30, firstMs: 500, longestMs: 30_000 },
};

/** An attempt to log in that is under way. It counts as failed until it succeeds, so that many at once gain nothing. */
export interface Attempt {
  succeed(): void;
}

/** Slows down guessing. */
export interface AttemptLimiter {
  /** Begins an attempt, or says how many milliseconds to wait before the next. */
  begin(account: string, address: string): Attempt | { readonly waitMs: number };
}

interface Count {
  failures: number;
  blockedUntil: number;
  lastAt: number;
}

/** What was not guessed at for so long is forgotten. */
const forgetMs = 15 * 60_000;
/** The most accounts and addresses that are remembered; the oldest are dropped. */
const mostCounts = 50_000;

/**
 * Counts failed attempts in this process. Whoever logged in to an account from an address before is not held up by
 * guesses at that account from elsewhere.
 */
export function createAttemptLimiter(
  limits = defaultAttemptLimits,
  now: () => number = Date.now,
): AttemptLimiter {
  const counts = new Map<string, Count>();
  const welcome = new Set<string>();

  const find = (key: string): Count | undefined => {
    const count = counts.get(key);
    if (!count || now() - count.lastAt < forgetMs) return count;
    counts.delete(key);
    return undefined;
  };
  const fail = (key: string, { free, firstMs, longestMs }: AttemptLimit): void => {
    const count = find(key) ?? { failures: 0, blockedUntil: 0, lastAt: 0 };
    count.failures++;
    count.lastAt = now();
    const over = count.failures - free;
    if (over >= 0) count.blockedUntil = now() + Math.min(longestMs, firstMs * 2 ** Math.min(over, 30));
    counts.delete(key);
    counts.set(key, count); // the newest last
    dropOldest(counts, mostCounts);
  };
  const undo = (key: string): void => {
    const count = counts.get(key);
    if (!count) return;
    count.failures--;
    count.blockedUntil = 0;
    if (count.failures <= 0) counts.delete(key);
  };

  return {
    begin(account, address) {
      const pair = `pair ${account} ${address}`;
      const keys: [string, AttemptLimit][] = [
        [pair, limits.pair],
        [`address ${address}`, limits.address],
        ...(welcome.has(pair) ? [] : [[`account ${account}`, limits.account] as [string, AttemptLimit]]),
      ];
      const until = Math.max(...keys.map(([key]) => find(key)?.blockedUntil ?? 0));
      if (until > now()) return { waitMs: until - now() };
      for (const [key, limit] of keys) fail(key, limit);
      return {
        succeed() {
          counts.delete(pair);
          for (const [key] of keys) undo(key);
          welcome.add(pair);
          dropOldest(welcome, mostCounts);
        },
      };
    },
  };
}
