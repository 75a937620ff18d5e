import type { Page, PageOptions } from "../registry/registry.ts";

/** All items of a list, page by page as they are asked for. */
export async function* allItems<T>(
  list: (options: PageOptions) => Promise<Page<T>>,
  signal: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  let after: string | undefined;
  do {
    const page = await list({ signal, ...(after === undefined ? {} : { after }) });
    yield* page.items;
    after = page.next;
  } while (after !== undefined);
}
