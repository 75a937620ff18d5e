import { extname } from "node:path";
import { Worker } from "node:worker_threads";

/**
 * What SQLite finds wrong with the database at `path`, which is open: its pages, and whether its indexes have what its
 * tables have. @throws `signal.reason`; what the thread throws that reads it
 */
export async function checkIntegrity(path: string, signal: AbortSignal): Promise<readonly string[]> {
  signal.throwIfAborted();
  const worker = new Worker(new URL(`./integrity-worker${extname(import.meta.url)}`, import.meta.url), {
    workerData: path,
  });
  const outcome = Promise.withResolvers<readonly string[]>();
  const stop = (): void => outcome.reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  worker.once("message", (faults: readonly string[]) => outcome.resolve(faults));
  worker.once("error", outcome.reject);
  worker.once("exit", (code) =>
    outcome.reject(new Error(`the thread that checks ${path} ended with ${code}`)),
  );
  try {
    return await outcome.promise;
  } finally {
    signal.removeEventListener("abort", stop);
    worker.unref();
    void worker.terminate(); // it only reads
  }
}
