import { Database, type Statement } from "bun:sqlite";
import { existsSync } from "node:fs";
import { RegistryError } from "../../../oci/errors.ts";
import { errorCode } from "../../../registry/files/durable.ts";
import { type Journal, openJournal } from "./journal.ts";
import { migrate } from "./schema.ts";

/** An open metadata database. */
export interface SqliteDatabase {
  readonly db: Database;
  /** Prepares a statement that returns rows as `Row`. */
  prepare<Row, Parameters extends Bindings>(sql: string): Prepared<Row, Parameters>;
  /**
   * Runs `action` as one transaction. Resolves when it is durable, rejects and rolls back when it throws.
   * `action` is synchronous, so nothing else of this process comes between.
   */
  write<T>(action: () => T): Promise<T>;
  /** @throws RegistryError UNAVAILABLE when nothing can be written any more until a restart */
  requireDurable(): void;
  close(): Promise<void>;
}

/** A prepared statement of rows `Row`. */
export interface Prepared<Row, Parameters extends Bindings> {
  get(...parameters: Parameters): Row | null;
  all(...parameters: Parameters): Row[];
  run(...parameters: Parameters): unknown;
}

/** Positional parameters. */
export type Bindings = (string | number | null | Uint8Array)[];

/** Opens, and makes if need be, the database at `path`. @throws RegistryError UNAVAILABLE when a newer Berth wrote it */
export function openDatabase(path: string): SqliteDatabase {
  const db = new Database(path, { create: true, readwrite: true, strict: true });
  let journal: Journal;
  try {
    journal = prepareDatabase(db, path);
  } catch (error) {
    db.close();
    throw error;
  }
  const statements: Statement[] = [];
  return {
    db,
    prepare<Row, Parameters extends Bindings>(sql: string): Prepared<Row, Parameters> {
      const statement = db.prepare(sql);
      statements.push(statement);
      // Safe: the same functions, whose types bun-types makes conditional on Parameters.
      return statement as unknown as Prepared<Row, Parameters>;
    },
    write: createWriter(db, journal),
    requireDurable() {
      if (journal.failure) throw notDurable(journal.failure);
    },
    async close() {
      await journal.close();
      // With a statement left, SQLite would go on with the file until that is collected: whoever moves the file would
      // have it written to.
      for (const statement of statements) statement.finalize();
      db.close(true);
    },
  };
}

function prepareDatabase(db: Database, path: string): Journal {
  db.run("PRAGMA busy_timeout = 10000");
  useWriteAheadLog(db);
  db.run("PRAGMA synchronous = NORMAL");
  db.run("PRAGMA foreign_keys = OFF"); // each reference is checked where it is written
  db.run("PRAGMA wal_autocheckpoint = 0"); // the checkpointer does it, off the event loop
  db.run("PRAGMA mmap_size = 268435456");
  db.run("PRAGMA cache_size = -8192");
  migrate(db);
  // The log is there once something was written since the last clean close.
  if (!existsSync(`${path}-wal`)) db.run(`PRAGMA user_version = ${currentVersion(db)}`);
  return openJournal(`${path}-wal`);
}

/** Other workers may open the new file at the same time; SQLite's busy timeout does not cover this change of mode. */
function useWriteAheadLog(db: Database): void {
  for (let attempt = 1; ; attempt++) {
    try {
      db.run("PRAGMA journal_mode = WAL");
      return;
    } catch (error) {
      if (attempt === openAttempts || !errorCode(error).startsWith("SQLITE_BUSY")) throw error;
      Bun.sleepSync(25);
    }
  }
}

const openAttempts = 100;

function currentVersion(db: Database): number {
  return db.query<{ user_version: number }, []>("PRAGMA user_version").get()?.user_version ?? 0;
}

function createWriter(db: Database, journal: Journal): SqliteDatabase["write"] {
  let work: () => unknown = () => undefined;
  const transaction = db.transaction(() => work());
  return async <T>(action: () => T): Promise<T> => {
    let result: T;
    try {
      work = action;
      result = transaction.immediate() as T; // safe: the transaction returns what `action` returns
    } catch (error) {
      throw asRegistryError(error);
    }
    await journal.flush().catch((cause) => {
      throw notDurable(cause);
    });
    return result;
  };
}

// What the system could not write it may have dropped: no later success would prove anything.
function notDurable(cause: unknown): RegistryError {
  return new RegistryError(
    "UNAVAILABLE",
    "the registry's disk failed to keep what was written: nothing is taken any more until the disk was looked at and " +
      "Berth started again",
    { cause },
  );
}

function asRegistryError(error: unknown): unknown {
  const code = errorCode(error);
  if (code === "SQLITE_FULL" || code.startsWith("SQLITE_IOERR")) {
    return new RegistryError(
      "STORAGE_FULL",
      "the registry's disk is full or failing: nothing was changed, free some space and try again",
      {
        cause: error,
      },
    );
  }
  if (code.startsWith("SQLITE_BUSY")) {
    return new RegistryError("UNAVAILABLE", "the registry's metadata are busy: try again", { cause: error });
  }
  return error;
}
