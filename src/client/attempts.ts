import { delayBefore, type RetryPolicy, wait } from "./retries.ts";

/** How much has to get through between two breaks for them not to be counted together. */
const realProgress = 256 * 1024;

/** Counts how often one transfer broke without getting on. */
export interface Attempts {
  /** Tells how far the transfer got: bytes that are safe. */
  reached(offset: number): void;
  /** Waits before the next attempt. @throws `error` when there is none; `signal.reason` */
  failed(error: unknown, isPassing: boolean): Promise<void>;
}

export function createAttempts(policy: RetryPolicy, signal: AbortSignal | undefined): Attempts {
  let failures = 0;
  let counted = 0;
  return {
    reached(offset) {
      if (offset < counted + realProgress) return;
      counted = offset;
      failures = 0;
    },
    async failed(error, isPassing) {
      signal?.throwIfAborted();
      const delayMs = isPassing ? delayBefore(policy, ++failures, undefined) : undefined;
      if (delayMs === undefined) throw error;
      await wait(delayMs, signal);
    },
  };
}
