import type { Metadata } from "../../store/metadata/metadata.ts";

/** Tells when something changed, in this process or another: one look at the metadata serves all who wait. */
export interface ChangeFeed {
  /** Resolves when there may be a change behind `after`, when `ms` are over, or when the feed closes. */
  wait(after: number, ms: number, signal: AbortSignal): Promise<void>;
  readonly closed: boolean;
  /** Ends all waiting. */
  close(): void;
}

/** How often the metadata are looked at while somebody waits. */
const pollMs = 200;

interface Waiter {
  readonly after: number;
  readonly resolve: () => void;
}

/** Makes a feed of what `metadata` holds. */
export function createChangeFeed(metadata: Pick<Metadata, "lastChange">): ChangeFeed {
  const waiters = new Set<Waiter>();
  const state = { closed: false };
  let timer: ReturnType<typeof setInterval> | undefined;
  const look = async (): Promise<void> => {
    const last = await metadata.lastChange();
    for (const waiter of [...waiters]) if (waiter.after < last) waiter.resolve();
  };
  const update = (): void => {
    if (waiters.size > 0 && !state.closed) timer ??= setInterval(look, pollMs);
    else {
      clearInterval(timer);
      timer = undefined;
    }
  };
  return {
    get closed() {
      return state.closed;
    },
    wait: (after, ms, signal) =>
      new Promise((done) => {
        const waiter = {
          after,
          resolve: () => {
            clearTimeout(deadline);
            signal.removeEventListener("abort", waiter.resolve);
            waiters.delete(waiter);
            update();
            done();
          },
        };
        const deadline = setTimeout(() => waiter.resolve(), ms);
        signal.addEventListener("abort", waiter.resolve, { once: true });
        waiters.add(waiter);
        update();
        if (state.closed || signal.aborted) waiter.resolve();
      }),
    close() {
      state.closed = true;
      for (const waiter of [...waiters]) waiter.resolve();
      update();
    },
  };
}
