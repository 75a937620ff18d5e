import type { CollectionMetadata } from "../../collection.ts";
import type { SqliteDatabase } from "../database.ts";

export function createHolds({
  prepare,
  write,
}: SqliteDatabase): Pick<CollectionMetadata, "hold" | "renewHold" | "releaseHold"> {
  const insert = prepare<{ id: number }, [string, number]>(
    "INSERT INTO collection_holds (holder, expires_at) VALUES (?, ?) RETURNING id",
  );
  const renew = prepare<{ id: number }, [number, number, number]>(
    "UPDATE collection_holds SET expires_at = ? WHERE id = ? AND expires_at > ? RETURNING id",
  );
  const release = prepare<null, [number]>("DELETE FROM collection_holds WHERE id = ?");
  const forget = prepare<null, [number]>("DELETE FROM collection_holds WHERE expires_at <= ?");
  return {
    hold: (holder, until) =>
      write(() => {
        forget.run(Date.now());
        const row = insert.get(holder, until.getTime());
        if (!row) throw new Error("INSERT returned no row");
        return row.id;
      }),
    renewHold: (id, until) => write(() => renew.get(until.getTime(), id, Date.now()) !== null),
    releaseHold: (id) => write(() => void release.run(id)),
  };
}
