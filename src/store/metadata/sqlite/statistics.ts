import type { RepositoryName } from "../../../oci/names.ts";
import type { Metadata, RepositoryStatistics, StoreTotals } from "../metadata.ts";
import type { SqliteDatabase } from "./database.ts";

interface Row {
  name: RepositoryName;
  bytes_received: number;
  bytes_saved: number;
}

export function createStatisticsMetadata({
  prepare,
}: SqliteDatabase): Pick<Metadata, "totals" | "listStatistics" | "busiestRepositories"> {
  const totals = prepare<
    { repositories: number; blobs: number; blob_bytes: number; bytes_received: number; bytes_saved: number },
    []
  >("SELECT * FROM totals");
  const list = prepare<Row, [string, number]>(
    "SELECT name, bytes_received, bytes_saved FROM repositories WHERE name > ? ORDER BY name LIMIT ?",
  );
  const busiest = prepare<Row, [number]>(`
    SELECT name, bytes_received, bytes_saved FROM repositories
    ORDER BY bytes_received + bytes_saved DESC LIMIT ?`);
  return {
    totals(): StoreTotals {
      const row = totals.get();
      if (!row) throw new Error("the table totals has no row");
      return {
        repositories: row.repositories,
        blobs: row.blobs,
        blobBytes: row.blob_bytes,
        bytesReceived: row.bytes_received,
        bytesSaved: row.bytes_saved,
      };
    },
    listStatistics({ after = "", limit }) {
      const rows = list.all(after, limit + 1);
      const items = rows.slice(0, limit).map(toStatistics);
      const last = items[items.length - 1];
      return rows.length > limit && last ? { items, next: last.repository } : { items };
    },
    busiestRepositories: (limit) => busiest.all(limit).map(toStatistics),
  };
}

function toStatistics(row: Row): RepositoryStatistics {
  return { repository: row.name, bytesReceived: row.bytes_received, bytesSaved: row.bytes_saved };
}
