import type { Page, PageOptions } from "./registry.ts";

/**
 * Cuts the page that is asked for out of a whole list, in any order, that is at hand in memory.
 * @param keyOf what the list is ordered by, in ASCII, so that the order of UTF-16 units is that of bytes
 */
export function pageOf<T>(list: Iterable<T>, keyOf: (item: T) => string, options: PageOptions = {}): Page<T> {
  const { after, limit = Number.POSITIVE_INFINITY } = options;
  if (limit <= 0) return { items: [] };
  const behind: { key: string; item: T }[] = [];
  for (const item of list) {
    const key = keyOf(item);
    if (after === undefined || key > after) behind.push({ key, item });
  }
  behind.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const shown = behind.slice(0, limit);
  const last = shown.at(-1);
  const items = shown.map(({ item }) => item);
  return last && behind.length > shown.length ? { items, next: last.key } : { items };
}
