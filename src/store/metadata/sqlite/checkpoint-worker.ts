// A thread of its own: copies what is in SQLite's log into the database file, with the fsyncs that this needs, while
// requests go on. Started by checkpointer.ts.
import { Database } from "bun:sqlite";
import { statSync } from "node:fs";
import { isMainThread, parentPort, workerData } from "node:worker_threads";

const intervalMs = 2000;

if (!isMainThread) run(String(workerData));

function run(path: string): void {
  const db = new Database(path, { readwrite: true, create: false });
  db.run("PRAGMA busy_timeout = 1000");
  db.run("PRAGMA synchronous = NORMAL");
  const checkpoint = db.prepare("PRAGMA wal_checkpoint(PASSIVE)");
  let seen = 0;
  const timer = setInterval(() => {
    const { mtimeMs } = statSync(`${path}-wal`);
    if (mtimeMs === seen) return;
    checkpoint.all();
    seen = mtimeMs;
  }, intervalMs);
  parentPort?.once("message", () => {
    clearInterval(timer);
    checkpoint.finalize();
    db.close();
    parentPort?.postMessage("closed");
    parentPort?.close();
  });
}
