import type {
  Fault,
  VerificationMetadata,
  VerificationRow,
  Verifier,
  VerifyCounts,
  VerifyStage,
} from "../../verification.ts";
import type { SqliteDatabase } from "../database.ts";

type RunMetadata = Pick<
  VerificationMetadata,
  "unfinished" | "begin" | "advance" | "get" | "list" | "listFaults" | "uploadExpiry" | "noteUploadExpiry"
>;

interface Row {
  id: number;
  started_by: Verifier;
  started_at: number;
  updated_at: number;
  finished_at: number | null;
  stage: VerifyStage;
  cursor: string;
  counts: string;
}

type FaultRow = Omit<Fault, "repository" | "mended"> & {
  readonly repository: string;
  readonly mended: string | null;
};

/** How many verifications of each kind are remembered. */
const keptRuns = 10;

/** How many faults of each are: in a folder whose blobs are gone there would be one for every blob. */
const keptFaults = 5000;

const none: VerifyCounts = {
  ...{ manifests: 0, tags: 0, links: 0, blobs: 0, bytes: 0, files: 0, faults: 0, mended: 0 },
};

/** The verifications that there were, and what they found. */
export function createRunMetadata({ prepare, write }: SqliteDatabase): RunMetadata {
  const unfinished = prepare<Row, [string]>(
    "SELECT * FROM verifications WHERE started_by = ? AND finished_at IS NULL ORDER BY id DESC LIMIT 1",
  );
  const get = prepare<Row, [number]>("SELECT * FROM verifications WHERE id = ?");
  const list = prepare<Row, [number]>("SELECT * FROM verifications ORDER BY id DESC LIMIT ?");
  const removeOld = prepare<null, [string, number]>(
    `DELETE FROM verifications WHERE started_by = ?1 AND (finished_at IS NULL OR id <
       (SELECT min(id) FROM (SELECT id FROM verifications WHERE started_by = ?1 ORDER BY id DESC LIMIT ?2)))`,
  );
  const removeUnfinished = prepare<null, [string]>(
    "DELETE FROM verifications WHERE started_by = ? AND finished_at IS NULL",
  );
  const removeFaults = prepare<null, []>(
    "DELETE FROM faults WHERE verification_id NOT IN (SELECT id FROM verifications)",
  );
  const insert = prepare<{ id: number }, [string, number, number, string]>(
    `INSERT INTO verifications (started_by, started_at, updated_at, stage, cursor, counts)
     VALUES (?, ?, ?, 'database', '', ?) RETURNING id`,
  );
  // The id of one that was given up may be another's by now.
  const advance = prepare<
    { id: number },
    [string, string, string, number, number | null, number, string, number]
  >(
    `UPDATE verifications SET stage = ?, cursor = ?, counts = ?, updated_at = ?, finished_at = ?
     WHERE id = ? AND started_by = ? AND started_at = ? RETURNING id`,
  );
  const countFaults = prepare<{ count: number }, [number]>(
    "SELECT count(*) AS count FROM faults WHERE verification_id = ?",
  );
  const addFault = prepare<null, [number, string, string, string, string, string | null]>(
    "INSERT OR REPLACE INTO faults VALUES (?, ?, ?, ?, ?, ?)",
  );
  const listFaults = prepare<FaultRow, [number, number]>(
    "SELECT kind, subject, repository, detail, mended FROM faults WHERE verification_id = ? LIMIT ?",
  );
  const expiry = prepare<{ ms: number }, []>("SELECT ms FROM upload_expiry");
  const noteExpiry = prepare<null, [number]>("UPDATE upload_expiry SET ms = ?");
  const read = (row: Row | null): VerificationRow | undefined => (row ? toRow(row) : undefined);

  return {
    unfinished: (by) => read(unfinished.get(by)),
    get: (id) => read(get.get(id)),
    list: (limit) => list.all(limit).map(toRow),
    listFaults: (id, limit) => listFaults.all(id, limit).map(toFault),
    uploadExpiry: () => expiry.get()?.ms ?? 0,
    async noteUploadExpiry(ms) {
      if (expiry.get()?.ms !== ms) await write(() => void noteExpiry.run(ms));
    },
    begin: (by) =>
      write(() => {
        removeOld.run(by, keptRuns - 1);
        if (by === "repair") removeUnfinished.run("command"); // what it found is soon no longer so
        removeFaults.run();
        const now = Date.now();
        const made = insert.get(by, now, now, JSON.stringify(none));
        const row = made && get.get(made.id);
        if (!row) throw new Error("INSERT returned no row");
        return toRow(row);
      }),
    advance: ({ id, by, startedAt }, { stage, cursor, counts }, faults) =>
      write(() => {
        const now = Date.now();
        const finishedAt = stage === "done" ? now : null;
        const place = [stage, cursor, JSON.stringify(counts), now, finishedAt] as const;
        if (!advance.get(...place, id, by, startedAt)) return false;
        const room = faults.length === 0 ? 0 : keptFaults - (countFaults.get(id)?.count ?? 0);
        for (const { kind, subject, repository = "", detail, mended = null } of faults.slice(
          0,
          Math.max(0, room),
        )) {
          addFault.run(id, kind, subject, repository, detail, mended);
        }
        return true;
      }),
  };
}

function toRow(row: Row): VerificationRow {
  const { id, stage, cursor } = row;
  return {
    ...{ id, stage, cursor },
    by: row.started_by,
    startedAt: row.started_at,
    updatedAt: row.updated_at,
    ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
    counts: JSON.parse(row.counts), // as `advance` wrote it
  };
}

function toFault({ kind, subject, repository, detail, mended }: FaultRow): Fault {
  return {
    ...{ kind, subject, detail },
    ...(repository === "" ? {} : { repository }),
    ...(mended === null ? {} : { mended }),
  };
}
