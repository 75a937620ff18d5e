import type { Tag } from "../../../../oci/names.ts";
import type { VersionOrder } from "../../tag-policy.ts";
import type { SqliteDatabase } from "../database.ts";
import type { TagRows } from "./rows.ts";

/** The index of full versions by line, for use inside a transaction. */
export interface VersionLines {
  isUpToDate(repositoryId: number, order: VersionOrder | undefined): boolean;
  /**
   * Goes on with the index, which is made anew when it was made by another order: once after a rule was changed. Looks at
   * one page of tags. @returns whether it is whole
   */
  advance(repositoryId: number, order: VersionOrder | undefined): boolean;
  /** Makes the rest of the index, in time by the number of tags that are not in it yet. */
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

/** Tags of one page: it takes some milliseconds. */
const pageSize = 500;

export function createVersionLines({ prepare }: SqliteDatabase, tags: TagRows): VersionLines {
  const stateOf = prepare<{ version_order: string; version_cursor: string | null }, [number]>(
    "SELECT version_order, version_cursor FROM repositories WHERE id = ?",
  );
  const setState = prepare<null, [string, string | null, number]>(
    "UPDATE repositories SET version_order = ?, version_cursor = ? WHERE id = ?",
  );
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
    isUpToDate(repositoryId, order) {
      const state = stateOf.get(repositoryId);
      return state?.version_order === (order?.id ?? "") && state.version_cursor === null;
    },
    advance(repositoryId, order) {
      const id = order?.id ?? "";
      const state = stateOf.get(repositoryId);
      const isBegun = state?.version_order === id;
      if (isBegun && state.version_cursor === null) return true;
      if (!isBegun) clear.run(repositoryId);
      const page = order ? tags.page(repositoryId, (isBegun && state.version_cursor) || "", pageSize) : [];
      for (const tag of page) lines.add(repositoryId, order, tag);
      const cursor = page.length === pageSize ? (page[page.length - 1] ?? null) : null;
      setState.run(id, cursor, repositoryId);
      return cursor === null;
    },
    bringUpToDate(repositoryId, order) {
      if (lines.isUpToDate(repositoryId, order)) return;
      while (!lines.advance(repositoryId, order));
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
