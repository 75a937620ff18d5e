import { setTimeout } from "node:timers/promises";

/** Holds work back to a number of bytes a second. */
export interface Pacer {
  /** Counts bytes that were read. Resolves when more may be. @throws `signal.reason` */
  take(bytes: number): Promise<void>;
}

/** Pauses shorter than this are saved up: a timer is no more exact. Milliseconds. */
const shortestMs = 5;
/** What was not used of a while ago is not made up for. Milliseconds. */
const burstMs = 100;

/** @param bytesPerSecond without limit if absent */
export function createPacer(bytesPerSecond: number | undefined, signal: AbortSignal): Pacer {
  let dueMs = 0;
  return {
    async take(bytes) {
      signal.throwIfAborted();
      if (bytesPerSecond === undefined) return;
      const nowMs = performance.now();
      dueMs = Math.max(dueMs, nowMs - burstMs) + (bytes / bytesPerSecond) * 1000;
      if (dueMs - nowMs < shortestMs) return;
      await setTimeout(dueMs - nowMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    },
  };
}
