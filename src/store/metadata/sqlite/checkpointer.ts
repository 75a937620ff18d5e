import { extname } from "node:path";
import { Worker } from "node:worker_threads";

/** Keeps SQLite's log short in a thread of its own. */
export interface Checkpointer {
  close(): Promise<void>;
}

/** What the thread says: that it has closed the database, or why it could not shorten the log and tries again. */
export type CheckpointMessage =
  | { readonly kind: "closed" }
  | { readonly kind: "failed"; readonly why: string };

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
    close() {
      worker.postMessage("close");
      return ended;
    },
  };
}
