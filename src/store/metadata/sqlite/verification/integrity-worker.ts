// A thread of its own: SQLite looks at its whole file, half a minute for a gigabyte, while requests go on. Started by
// integrity.ts.
import { Database } from "bun:sqlite";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { errorCode } from "../../../../registry/files/durable.ts";

/** Faults that SQLite names at most. */
const mostFaults = 20;

if (!isMainThread) parentPort?.postMessage(check(String(workerData)));

function check(path: string): readonly string[] {
  const db = new Database(path, { readwrite: true, create: false });
  try {
    const rows = db.query<{ integrity_check: string }, []>(`PRAGMA integrity_check(${mostFaults})`).all();
    // Such as "ok", or "*** in database main ***\nTree 5 page 9 cell 0: ..."
    const lines = rows.flatMap((row) => row.integrity_check.split("\n"));
    return lines.filter((line) => line !== "ok" && !line.startsWith("***"));
  } catch (error) {
    if (!errorCode(error).startsWith("SQLITE_CORRUPT")) throw error;
    return [String(error)];
  } finally {
    db.close();
  }
}
