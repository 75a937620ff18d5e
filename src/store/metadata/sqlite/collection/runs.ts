import type { CollectionMetadata, CollectionOutcome, CollectionRun } from "../../collection.ts";
import type { Collected } from "../../collection-decisions.ts";
import type { SqliteDatabase } from "../database.ts";

/** A run that says nothing for so long has ended with its process. */
const silentMs = 60_000;
/** How many runs are remembered, beside the last one of each outcome. */
const remembered = 100;

interface Row extends Collected {
  id: number;
  actor: string;
  grace: number;
  started_at: number;
  ended_at: number | null;
  outcome: CollectionOutcome | null;
}

/** Adds to what a run and all runs gave back, inside a transaction. */
export type CountCollected = (run: number, collected: Collected) => void;

/** What collections did. */
export interface Runs {
  readonly metadata: Pick<
    CollectionMetadata,
    "startRun" | "endRun" | "interruptRuns" | "getRun" | "listRuns" | "lastRuns"
  >;
  readonly count: CountCollected;
  total(): Collected;
}

const columns = "id, actor, grace, started_at, ended_at, outcome, manifests, links, blobs, bytes";

export function createRuns({ prepare, write }: SqliteDatabase): Runs {
  const going = prepare<{ id: number }, [number]>(
    "SELECT id FROM collection_runs WHERE ended_at IS NULL AND alive_at > ? LIMIT 1",
  );
  const interrupt = prepare<null, []>(
    "UPDATE collection_runs SET ended_at = alive_at, outcome = 'interrupted' WHERE ended_at IS NULL",
  );
  const goingIn = prepare<{ id: number }, [number, number]>(
    "SELECT id FROM collection_runs WHERE ended_at IS NULL AND (slot = ? OR slot >= ?)",
  );
  const insert = prepare<{ id: number }, [string, number, number, number]>(
    `INSERT INTO collection_runs (actor, grace, slot, started_at, alive_at) VALUES (?1, ?2, ?3, ?4, ?4)
     RETURNING id`,
  );
  const lastIds = "SELECT max(id) FROM collection_runs GROUP BY outcome";
  const trim = prepare<null, [number]>(
    `DELETE FROM collection_runs WHERE id <= ? AND id NOT IN (${lastIds})`,
  );
  const add = prepare<null, [number, number, number, number, number, number]>(
    `UPDATE collection_runs SET manifests = manifests + ?, links = links + ?, blobs = blobs + ?, bytes = bytes + ?,
       alive_at = ? WHERE id = ?`,
  );
  const addTotal = prepare<null, [number, number, number, number]>(
    `UPDATE collection_totals SET manifests = manifests + ?, links = links + ?, blobs = blobs + ?, bytes = bytes + ?`,
  );
  const end = prepare<null, [number, string, number]>(
    "UPDATE collection_runs SET ended_at = ?, outcome = ? WHERE id = ? AND ended_at IS NULL",
  );
  const get = prepare<Row, [number]>(`SELECT ${columns} FROM collection_runs WHERE id = ?`);
  const list = prepare<Row, [number]>(`SELECT ${columns} FROM collection_runs ORDER BY id DESC LIMIT ?`);
  const last = prepare<Row, []>(`SELECT ${columns} FROM collection_runs WHERE id IN (${lastIds})`);
  const total = prepare<Collected, []>("SELECT manifests, links, blobs, bytes FROM collection_totals");

  return {
    metadata: {
      startRun: ({ actor, graceMs, slot }) =>
        write(() => {
          const now = Date.now();
          const other = going.get(now - silentMs);
          if (other) return { id: other.id, isNew: false };
          interrupt.run();
          const row = insert.get(actor, graceMs, slot, now);
          if (!row) throw new Error("INSERT returned no row");
          trim.run(row.id - remembered);
          return { id: row.id, isNew: true };
        }),
      async interruptRuns(slot, slots) {
        const dead = goingIn.all(slot, slots);
        if (dead.length > 0)
          await write(() => dead.forEach(({ id }) => void end.run(Date.now(), "interrupted", id)));
      },
      endRun: (id, outcome) => write(() => void end.run(Date.now(), outcome, id)),
      getRun: (id) => toRun(get.get(id)),
      listRuns: (limit) => list.all(limit).flatMap((row) => toRun(row) ?? []),
      lastRuns: () => last.all().flatMap((row) => toRun(row) ?? []),
    },
    count(run, { manifests, links, blobs, bytes }) {
      add.run(manifests, links, blobs, bytes, Date.now(), run);
      addTotal.run(manifests, links, blobs, bytes);
    },
    total: () => total.get() ?? { manifests: 0, links: 0, blobs: 0, bytes: 0 },
  };
}

function toRun(row: Row | null): CollectionRun | undefined {
  if (!row) return undefined;
  const { id, actor, grace, started_at, ended_at, outcome, manifests, links, blobs, bytes } = row;
  return {
    ...{ id, actor, manifests, links, blobs, bytes },
    graceMs: grace,
    startedAt: new Date(started_at),
    ...(ended_at === null ? {} : { endedAt: new Date(ended_at) }),
    ...(outcome === null ? {} : { outcome }),
  };
}
