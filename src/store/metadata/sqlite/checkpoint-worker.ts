// A thread of its own: copies what is in SQLite's log into the database file, with the fsyncs that this needs, while
// requests go on. Started by checkpointer.ts.
import { Database } from "bun:sqlite";
import { statSync } from "node:fs";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import type { CheckpointMessage } from "./checkpointer.ts";

const intervalMs = 2000;

if (!isMainThread) run(String(workerData));

function run(path: string): void {
  const db = new Database(path, { readwrite: true, create: false });
  db.run("PRAGMA busy_timeout = 1000");
  db.run("PRAGMA synchronous = NORMAL");
  const checkpoint = db.prepare("PRAGMA wal_checkpoint(PASSIVE)");
  const say = (message: CheckpointMessage): void => parentPort?.postMessage(message);
  let seen = 0;
  let told = "";
  const timer = setInterval(() => {
    try {
      const { mtimeMs } = statSync(`${path}-wal`);
      if (mtimeMs === seen) return;
      checkpoint.all();
      seen = mtimeMs;
      told = "";
    } catch (error) {
      // The disk is full, perhaps: the log keeps what was written, and the next try may find room.
      const why = error instanceof Error ? error.message : String(error);
      if (why !== told) say({ kind: "failed", why });
      told = why;
    }
  }, intervalMs);
  parentPort?.once("message", () => {
    clearInterval(timer);
    checkpoint.finalize();
    db.close();
    say({ kind: "closed" });
    parentPort?.close();
  });
}
