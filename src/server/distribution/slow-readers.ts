import type { Connection } from "../context.ts";

/** A body of up to this many bytes is with the system at once: the server's own idle time is right for it. */
const smallBody = 1024 * 1024;
/** Readers may be this slow, in bytes a second, and begin this late. */
const slowestRate = 8 * 1024;
const readerGraceMs = 120_000;
/** How often it is looked who has read all, or may read no longer. */
const sweepMs = 10_000;
/** Seconds that are left to a reader that was too slow. */
const lastSeconds = 30;

/** Readers of large answers, for as long as they read. */
export interface SlowReaders {
  /**
   * The server's idle time would cut a slow reader of a large blob, and without one a reader that stopped would stay for
   * ever: it is suspended for as long as the slowest reader needs.
   * @param size bytes of the answer's body
   */
  allow(connection: Connection, request: Request, size: number): void;
  /** How many are remembered. */
  readonly count: number;
}

/** @param everyMs how often it is looked who has ended */
export function createSlowReaders(everyMs = sweepMs): SlowReaders {
  const readers = new Map<Request, { readonly connection: Connection; readonly until: number }>();
  let timer: ReturnType<typeof setInterval> | undefined;
  const sweep = (): void => {
    const now = performance.now();
    for (const [request, { connection, until }] of readers) {
      const isOver = connection.requestIP?.(request) == null; // the server forgets whom it has answered
      if (!isOver && now < until) continue;
      if (!isOver) connection.timeout(request, lastSeconds);
      readers.delete(request);
    }
    if (readers.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
  return {
    allow(connection, request, size) {
      if (size <= smallBody) return;
      connection.timeout(request, 0);
      readers.set(request, {
        connection,
        until: performance.now() + readerGraceMs + (size / slowestRate) * 1000,
      });
      timer ??= setInterval(sweep, everyMs).unref();
    },
    get count() {
      return readers.size;
    },
  };
}
