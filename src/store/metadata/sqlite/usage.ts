import type { RepositoryName } from "../../../oci/names.ts";
import type { Metadata } from "../metadata.ts";
import type { SqliteDatabase } from "./database.ts";
import { toPage } from "./repositories.ts";

export function createUsageMetadata({ prepare }: SqliteDatabase): Pick<Metadata, "listUsage"> {
  const list = prepare<{ name: RepositoryName; bytes: number }, [string, number]>(
    "SELECT name, bytes_held AS bytes FROM repositories WHERE name > ? ORDER BY name LIMIT ?",
  );
  return {
    listUsage({ after = "", limit }) {
      const rows = list.all(after, limit + 1);
      const { next } = toPage(rows, limit, (row) => row.name);
      const items = rows.slice(0, limit).map(({ name, bytes }) => ({ repository: name, bytes }));
      return { items, ...(next === undefined ? {} : { next }) };
    },
  };
}
