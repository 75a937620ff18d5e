import { extname } from "node:path";
import { Worker } from "node:worker_threads";

/** Keeps SQLite's log short in a thread of its own. */
export interface Checkpointer {
  /** Ends the thread. Resolves within some seconds, also where it died or never was there. */
  close(): Promise<void>;
}

/** What the thread says: that it has closed the database, or why it could not shorten the log and tries again. */
export type CheckpointMessage =
  | { readonly kind: "closed" }
  | { readonly kind: "failed"; readonly why: string };

/** A thread that does not say that it has closed within this time hangs, or was never there. */
const longestCloseMs = 5000;

/**
 * Starts checkpoints of the database at `path`, which is open. One for all processes is enough.
 * @param failed told, once for each reason, why the log cannot be shortened: a full disk, for example
 */
export function startCheckpointer(path: string, failed: (why: string) => void): Checkpointer {
  const worker = new Worker(new URL(`./checkpoint-worker${extname(import.meta.url)}`, import.meta.url), {
    workerData: path,
  });
  worker.unref();
  const ended = new Promise<void>((resolve) => {
    worker.once("exit", () => resolve());
    worker.on("message", (message: CheckpointMessage) => {
      if (message.kind === "closed") resolve();
      else failed(message.why);
    });
    worker.on("error", (error) => {
      failed(`the thread for it has ended: ${error instanceof Error ? error.message : String(error)}`);
      resolve(); // nothing is left to close
    });
  });
  return {
    async close() {
      worker.postMessage("close");
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, longestCloseMs);
      await Promise.race([ended, late.promise]);
      clearTimeout(timer);
      void worker.terminate(); // nothing, when it has ended: what it did is done again from the log at the next start
    },
  };
}
