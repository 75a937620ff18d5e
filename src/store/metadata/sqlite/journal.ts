import { closeSync, fsync, openSync } from "node:fs";

/** Makes committed transactions durable, many with one fsync. */
export interface Journal {
  /** Resolves when everything that was committed before the call is on the disk. @throws the error of fsync, ever after */
  flush(): Promise<void>;
  /** Why nothing can be made durable any more. */
  readonly failure: Error | undefined;
  close(): Promise<void>;
}

/**
 * Follows SQLite's write-ahead log at `path`, which must exist.
 *
 * SQLite's own synchronous=FULL calls fsync inside COMMIT, with the event loop standing still and the write lock held.
 * Here SQLite runs with synchronous=NORMAL, where COMMIT only writes; whoever answers for a commit waits for `flush`,
 * off the event loop, and all who wait share one fsync. See docs/decisions/0002-group-commit.md.
 */
export function openJournal(path: string): Journal {
  const fd = openSync(path, "r+");
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  let failure: Error | undefined;

  const sync = (): Promise<void> =>
    new Promise((resolve, reject) => {
      fsync(fd, (error) => {
        running = undefined;
        // After a failed fsync the kernel may have dropped the pages: no later success proves anything.
        if (error) failure = error;
        if (failure) reject(failure);
        else resolve();
      });
    });

  const start = (): Promise<void> => {
    next = undefined;
    running = sync();
    return running;
  };

  return {
    get failure() {
      return failure;
    },
    flush() {
      if (failure) return Promise.reject(failure);
      if (!running) return start();
      // The fsync under way began before this commit, perhaps: wait for the one after it.
      next ??= running.then(start, start);
      return next;
    },
    async close() {
      await (next ?? running)?.catch(() => {}); // who waits for it has the error
      closeSync(fd);
    },
  };
}
