import type { CollectionHold, CollectionMetadata } from "../../collection.ts";
import type { SqliteDatabase } from "../database.ts";

/** Who holds the store still. */
export interface Holds {
  readonly metadata: Pick<CollectionMetadata, "hold" | "renewHold" | "releaseHold">;
  /** Whether somebody does, for use inside a transaction. */
  isHeld(): boolean;
  list(): readonly CollectionHold[];
}

export function createHolds({ prepare, write }: SqliteDatabase): Holds {
  const insert = prepare<{ id: number }, [string, number]>(
    "INSERT INTO collection_holds (holder, expires_at) VALUES (?, ?) RETURNING id",
  );
  const renew = prepare<{ id: number }, [number, number, number]>(
    "UPDATE collection_holds SET expires_at = ? WHERE id = ? AND expires_at > ? RETURNING id",
  );
  const release = prepare<null, [number]>("DELETE FROM collection_holds WHERE id = ?");
  const forget = prepare<null, [number]>("DELETE FROM collection_holds WHERE expires_at <= ?");
  const list = prepare<{ id: number; holder: string; expires_at: number }, [number]>(
    "SELECT id, holder, expires_at FROM collection_holds WHERE expires_at > ? ORDER BY id",
  );
  return {
    metadata: {
      hold: (holder, until) =>
        write(() => {
          forget.run(Date.now());
          const row = insert.get(holder, until.getTime());
          if (!row) throw new Error("INSERT returned no row");
          return row.id;
        }),
      renewHold: (id, until) => write(() => renew.get(until.getTime(), id, Date.now()) !== null),
      releaseHold: (id) => write(() => void release.run(id)),
    },
    isHeld: () => list.get(Date.now()) !== null,
    list: () =>
      list.all(Date.now()).map(({ id, holder, expires_at }) => ({ id, holder, until: new Date(expires_at) })),
  };
}
