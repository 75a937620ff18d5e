import { RegistryError } from "../../../oci/errors.ts";
import type { RepositoryName } from "../../../oci/names.ts";
import type { Page } from "../../../registry/registry.ts";
import type { KeysetPage } from "../eventually.ts";
import type { SqliteDatabase } from "./database.ts";

/** The rows of repositories. Methods that write run inside a transaction of the caller. */
export interface RepositoryRows {
  /** The row's id, made if it is not there. */
  ensure(name: RepositoryName): number;
  find(name: RepositoryName): number | undefined;
  /** @throws RegistryError NAME_UNKNOWN */
  require(name: RepositoryName): number;
  /** Adds to the number of manifests. */
  countManifests(id: number, change: 1 | -1): void;
  addStatistics(id: number, received: number, saved: number): void;
  list(page: KeysetPage): Page<RepositoryName>;
  near(missing: string): RepositoryName[];
}

/** How many names before and behind the missing one, and with its first letters, are looked at. */
const nearLimit = 60;

export function createRepositoryRows({ prepare }: SqliteDatabase): RepositoryRows {
  const find = prepare<{ id: number }, [string]>("SELECT id FROM repositories WHERE name = ?");
  const insert = prepare<{ id: number }, [string, number]>(
    "INSERT INTO repositories (name, created_at) VALUES (?, ?) RETURNING id",
  );
  const countRepository = prepare<null, []>("UPDATE totals SET repositories = repositories + 1");
  const countManifests = prepare<null, [number, number]>(
    "UPDATE repositories SET manifests = manifests + ? WHERE id = ?",
  );
  const addStatistics = prepare<null, [number, number, number]>(
    "UPDATE repositories SET bytes_received = bytes_received + ?, bytes_saved = bytes_saved + ? WHERE id = ?",
  );
  const addTotals = prepare<null, [number, number]>(
    "UPDATE totals SET bytes_received = bytes_received + ?, bytes_saved = bytes_saved + ?",
  );
  const list = prepare<{ name: RepositoryName }, [string, number]>(
    "SELECT name FROM repositories WHERE manifests > 0 AND name > ? ORDER BY name LIMIT ?",
  );
  const before = prepare<{ name: RepositoryName }, [string, number]>(
    "SELECT name FROM repositories WHERE manifests > 0 AND name < ? ORDER BY name DESC LIMIT ?",
  );

  const rows: RepositoryRows = {
    ensure(name) {
      const row = find.get(name);
      if (row) return row.id;
      countRepository.run();
      const made = insert.get(name, Date.now());
      if (!made) throw new Error("INSERT returned no row");
      return made.id;
    },
    find: (name) => find.get(name)?.id,
    require(name) {
      const row = find.get(name);
      if (!row) throw new RegistryError("NAME_UNKNOWN", `there is no repository ${name}`);
      return row.id;
    },
    countManifests: (id, change) => void countManifests.run(change, id),
    addStatistics(id, received, saved) {
      if (received === 0 && saved === 0) return;
      addStatistics.run(received, saved, id);
      addTotals.run(received, saved);
    },
    list: ({ after = "", limit }) => toPage(list.all(after, limit + 1), limit, (row) => row.name),
    near(missing) {
      const start = missing.slice(0, 2);
      const found = [
        ...list.all(start, nearLimit),
        ...list.all(missing, nearLimit),
        ...before.all(missing, nearLimit),
        ...list.all("", nearLimit),
      ];
      return [...new Set(found.map((row) => row.name))];
    },
  };
  return rows;
}

/** Makes a page of `limit + 1` rows; the one too many only tells that there is more. */
export function toPage<Row, Item extends string>(
  rows: readonly Row[],
  limit: number,
  item: (row: Row) => Item,
): Page<Item> {
  return toKeyedPage(rows, limit, item, item);
}

/** As {@link toPage}, of items that are more than what they are ordered by. */
export function toKeyedPage<Row, Item, Key extends string>(
  rows: readonly Row[],
  limit: number,
  keyOf: (row: Row) => Key,
  item: (row: Row) => Item,
): { readonly items: readonly Item[]; readonly next?: Key } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const items = shown.map(item);
  return rows.length > limit && last !== undefined ? { items, next: keyOf(last) } : { items };
}
