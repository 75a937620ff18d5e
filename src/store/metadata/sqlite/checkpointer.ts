import { extname } from "node:path";
import { Worker } from "node:worker_threads";

/** Keeps SQLite's log short in a thread of its own. */
export interface Checkpointer {
  close(): Promise<void>;
}

/** Starts checkpoints of the database at `path`, which is open. One for all processes is enough. */
export function startCheckpointer(path: string): Checkpointer {
  const worker = new Worker(new URL(`./checkpoint-worker${extname(import.meta.url)}`, import.meta.url), {
    workerData: path,
  });
  worker.unref();
  return {
    close: () =>
      new Promise((resolve) => {
        worker.once("message", () => resolve());
        worker.once("error", () => resolve()); // it ended by itself: nothing is left to close
        worker.once("exit", () => resolve());
        worker.postMessage("close");
      }),
  };
}
