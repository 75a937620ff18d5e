import type { RepositoryName } from "../../../oci/names.ts";
import type { Metadata } from "../metadata.ts";
import type { SqliteDatabase } from "./database.ts";
import { toKeyedPage } from "./repositories.ts";

export function createUsageMetadata({ prepare }: SqliteDatabase): Pick<Metadata, "listUsage"> {
  const list = prepare<{ name: RepositoryName; bytes: number }, [string, number]>(
    "SELECT name, bytes_held AS bytes FROM repositories WHERE name > ? ORDER BY name LIMIT ?",
  );
  return {
    listUsage({ after = "", limit }) {
      const rows = list.all(after, limit + 1);
      return toKeyedPage(
        rows,
        limit,
        ({ name }) => name,
        ({ name, bytes }) => ({ repository: name, bytes }),
      );
    },
  };
}
