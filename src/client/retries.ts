/** When a request that failed is sent again. */
export interface RetryPolicy {
  /** How often a request is sent at most, at least 1. */
  readonly attempts: number;
  /** Milliseconds before the second attempt; each later wait is twice as long. */
  readonly minDelayMs: number;
  /** The longest wait in milliseconds. */
  readonly maxDelayMs: number;
  /** The longest wait that a server may ask for with `Retry-After`, in milliseconds; asks it for more, it is an error. */
  readonly maxRetryAfterMs: number;
}

/** Six attempts within about eight seconds, unless a server asks for more time. */
export const defaultRetryPolicy: RetryPolicy = {
  attempts: 6,
  minDelayMs: 250,
  maxDelayMs: 10_000,
  maxRetryAfterMs: 60_000,
};

/** Statuses of answers that can be others a moment later. */
export function isTransientStatus(status: number): boolean {
  return status === 429 || status === 502 || status === 503 || status === 504;
}

/**
 * How long to wait before the next attempt, in milliseconds; `undefined` when there is none. The wait is shortened by
 * up to a half at random, so that many clients do not come back together.
 * @param attempt the one that failed, counted from 1
 * @param retryAfterMs what the server asked for
 */
export function delayBefore(
  policy: RetryPolicy,
  attempt: number,
  retryAfterMs: number | undefined,
  random: () => number = Math.random,
): number | undefined {
  if (attempt >= policy.attempts) return undefined;
  if (retryAfterMs !== undefined && retryAfterMs > policy.maxRetryAfterMs) return undefined;
  const backoff = Math.min(policy.maxDelayMs, policy.minDelayMs * 2 ** (attempt - 1));
  return Math.max(backoff * (1 - random() / 2), retryAfterMs ?? 0);
}

/** Milliseconds until the time that `Retry-After` names, by seconds or date; `undefined` when it names none. */
export function retryAfterOf(header: string | undefined, now: number = Date.now()): number | undefined {
  if (header === undefined) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** @throws `signal.reason` as soon as it aborts */
export async function wait(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, delayMs);
    signal?.addEventListener("abort", end, { once: true });
  });
  signal?.throwIfAborted();
}
