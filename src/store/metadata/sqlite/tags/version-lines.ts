import type { Tag } from "../../../../oci/names.ts";
import type { VersionOrder } from "../../tag-policy.ts";
import type { SqliteDatabase } from "../database.ts";
import type { TagRows } from "./rows.ts";

/** The index of full versions by line, for use inside a transaction. */
export interface VersionLines {
  isUpToDate(repositoryId: number, order: VersionOrder | undefined): boolean;
  /**
   * Makes the index anew when it was made by another order: once after a rule was changed, in time by the number of the
   * repository's tags.
   */
  bringUpToDate(repositoryId: number, order: VersionOrder | undefined): void;
  add(repositoryId: number, order: VersionOrder | undefined, tag: Tag): void;
  remove(repositoryId: number, order: VersionOrder | undefined, tag: Tag): void;
  /** The highest version on a line but for some. */
  highest(
    repositoryId: number,
    order: VersionOrder | undefined,
    line: Tag,
    without: ReadonlySet<Tag>,
  ): { readonly tag: Tag; readonly key: string } | undefined;
}

const pageSize = 1000;

export function createVersionLines({ prepare }: SqliteDatabase, tags: TagRows): VersionLines {
  const orderOf = prepare<{ version_order: string }, [number]>(
    "SELECT version_order FROM repositories WHERE id = ?",
  );
  const setOrder = prepare<null, [string, number]>("UPDATE repositories SET version_order = ? WHERE id = ?");
  const clear = prepare<null, [number]>("DELETE FROM version_lines WHERE repository_id = ?");
  const insert = prepare<null, [number, string, string, string]>(
    "INSERT OR IGNORE INTO version_lines (repository_id, line, key, name) VALUES (?, ?, ?, ?)",
  );
  const remove = prepare<null, [number, string, string, string]>(
    "DELETE FROM version_lines WHERE repository_id = ? AND line = ? AND key = ? AND name = ?",
  );
  const highest = prepare<{ key: string; name: Tag }, [number, string, number]>(
    `SELECT key, name FROM version_lines WHERE repository_id = ? AND line = ?
     ORDER BY key DESC, name DESC LIMIT ?`,
  );
  const lines: VersionLines = {
    isUpToDate: (repositoryId, order) => orderOf.get(repositoryId)?.version_order === (order?.id ?? ""),
    bringUpToDate(repositoryId, order) {
      if (lines.isUpToDate(repositoryId, order)) return;
      clear.run(repositoryId);
      if (order) {
        let page = tags.page(repositoryId, "", pageSize);
        while (page.length > 0) {
          for (const tag of page) lines.add(repositoryId, order, tag);
          page = tags.page(repositoryId, page[page.length - 1] ?? "", pageSize);
        }
      }
      setOrder.run(order?.id ?? "", repositoryId);
    },
    add(repositoryId, order, tag) {
      const place = order?.place(tag);
      for (const line of place?.lines ?? []) insert.run(repositoryId, line, place?.key ?? "", tag);
    },
    remove(repositoryId, order, tag) {
      const place = order?.place(tag);
      for (const line of place?.lines ?? []) remove.run(repositoryId, line, place?.key ?? "", tag);
    },
    highest(repositoryId, order, line, without) {
      let most = 1;
      for (const tag of without) if (order?.place(tag)?.lines.includes(line)) most++;
      const found = highest.all(repositoryId, line, most).find(({ name }) => !without.has(name));
      return found && { tag: found.name, key: found.key };
    },
  };
  return lines;
}
