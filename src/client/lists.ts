import { RegistryError } from "../oci/errors.ts";
import { readJson } from "../oci/json.ts";
import type { Page, PageOptions } from "../registry/registry.ts";
import type { Answer } from "./exchanges.ts";

/** A list that a registry gives in pages. */
export interface RemoteList<T> {
  /** Where the list begins. */
  readonly endpoint: URL;
  readonly options: PageOptions;
  readonly ask: (url: URL) => Promise<Answer>;
  readonly itemsOf: (answer: Answer) => readonly T[];
  /** What the contract orders the list by. */
  readonly keyOf: (item: T) => string;
}

const nextLink = /<([^>]*)>((?:\s*;\s*[\w*-]+\s*(?:=\s*(?:"[^"]*"|[^\s",;]+))?)*)/g;

/**
 * Gets one page. Registries differ in what they know of `n` and `last`, in their order, and in what follows a page; so
 * `next` is what the registry's `Link` says, beginning with `?` or `/`, which no key does; and the key of the last item
 * only where the registry gave more than was asked for.
 */
export async function listPage<T>(list: RemoteList<T>): Promise<Page<T>> {
  const { endpoint, options, keyOf } = list;
  const { after, limit } = options;
  const isLink = after !== undefined && /^[?/]/.test(after);
  // What `n=0` leads to depends on the registry, but that the repository is not there has to be told.
  const answer = await list.ask(pageUrl(endpoint, { ...options, ...(limit === 0 ? { limit: 1 } : {}) }));
  if (limit === 0) return { items: [] };
  let items = list.itemsOf(answer);
  const link = linkOf(answer);
  const isSorted = isInOrder(items, keyOf);
  // A registry that gives all at once can be sorted here; one that passes over `last`, cut.
  const isAll = !link && !isLink;
  if (isAll && !isSorted) items = [...items].sort((a, b) => compare(keyOf(a), keyOf(b)));
  if (after !== undefined && !isLink && (isAll || isSorted)) {
    items = items.filter((item) => keyOf(item) > after);
  }
  const shown = limit !== undefined && (isSorted || !link) ? items.slice(0, limit) : items;
  const last = shown.at(-1);
  if (shown.length < items.length && last !== undefined) return { items: shown, next: keyOf(last) };
  const next = link && nextOf(link, answer, endpoint);
  return next === undefined || next === after ? { items: shown } : { items: shown, next };
}

function pageUrl(endpoint: URL, { after, limit }: PageOptions): URL {
  const isLink = after !== undefined && /^[?/]/.test(after);
  const url = isLink ? new URL(after, endpoint) : new URL(endpoint);
  if (url.origin !== endpoint.origin) {
    throw new RegistryError("UNSUPPORTED", `a list does not go on at another address, ${url.host}`);
  }
  if (limit !== undefined) url.searchParams.set("n", String(limit));
  if (after !== undefined && !isLink) url.searchParams.set("last", after);
  return url;
}

// "the Link header MUST be set according to RFC 5988 with the Relation Type rel="next""
function linkOf({ headers }: Answer): string | undefined {
  for (const [, target = "", parameters = ""] of (headers.get("link") ?? "").matchAll(nextLink)) {
    if (/;\s*rel\s*=\s*(?:"[^"]*\bnext\b[^"]*"|next\b)/i.test(parameters)) return target;
  }
  return undefined;
}

function nextOf(link: string, answer: Answer, endpoint: URL): string | undefined {
  if (!URL.canParse(link, answer.url.href)) return undefined;
  const { pathname, search, origin, href } = new URL(link, answer.url);
  if (href === answer.url.href) return undefined; // it leads in a circle
  // Behind a proxy, a registry may not know under which name it is reached; some begin a path without its slash.
  const isSame = origin !== endpoint.origin || pathname.endsWith(endpoint.pathname);
  return isSame ? search || undefined : pathname + search;
}

/** The list `name` in an answer's JSON; empty when it is null or missing. @throws RegistryError INTERNAL */
export function listOf({ bytes, url }: Answer, name: string): readonly unknown[] {
  const value = readJson(new TextDecoder().decode(bytes));
  const list =
    typeof value === "object" && value !== null
      ? ((value as Record<string, unknown>)[name] ?? [])
      : undefined; // safe: any object has properties by name
  if (Array.isArray(list)) return list;
  throw new RegistryError("INTERNAL", `${url.host} answered without a list of ${name}: is a registry there?`);
}

function isInOrder<T>(items: readonly T[], keyOf: (item: T) => string): boolean {
  return items.every((item, at) => {
    const before = items[at - 1];
    return before === undefined || keyOf(before) < keyOf(item);
  });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
