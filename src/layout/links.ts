import { type Digest, isDigest } from "../oci/digests.ts";
import { RegistryError } from "../oci/errors.ts";
import { parseObject } from "./document.ts";
import { type PlaceName, placeKey } from "./names.ts";

/**
 * What index.json cannot say about a blob of a place: it was pushed, or promised to somebody who pushes, and no
 * manifest names it yet; it was kept when the manifest that named it was deleted; it was deleted.
 */
export type LinkState = "pushed" | "kept" | "deleted";

/** How a blob is linked to a place, or was. */
export interface Link {
  readonly state: LinkState;
  /** When that was said, in milliseconds since 1970. */
  readonly atMs: number;
}

/** By place, see `placeKey`, and digest. A place that has been pushed to exists, even when it holds nothing. */
export type Links = ReadonlyMap<string, ReadonlyMap<Digest, Link>>;

/** The links of a layout that nobody pushes to. */
export const noLinks: Links = new Map();

/** Whether a blob is linked to a place apart from what its manifests name. */
export function isLinked(links: Links, place: PlaceName, digest: Digest): boolean {
  const state = links.get(placeKey(place))?.get(digest)?.state;
  return state === "pushed" || state === "kept";
}

/** Whether a blob was deleted from a place and not pushed again. */
export function isDeleted(links: Links, place: PlaceName, digest: Digest): boolean {
  return links.get(placeKey(place))?.get(digest)?.state === "deleted";
}

/** Notes a link for each of `digests`, instead of what was noted of it. */
export function withLinks(
  links: Links,
  place: PlaceName,
  digests: Iterable<Digest>,
  state: LinkState,
): Links {
  const atMs = Date.now();
  const of = new Map(links.get(placeKey(place)));
  for (const digest of digests) of.set(digest, { state, atMs });
  return new Map(links).set(placeKey(place), of);
}

/** Forgets the links of `digests`: a manifest names them now, or nothing. */
export function withoutLinks(links: Links, place: PlaceName, digests: Iterable<Digest>): Links {
  const of = new Map(links.get(placeKey(place)));
  for (const digest of digests) of.delete(digest);
  return new Map(links).set(placeKey(place), of);
}

/** Forgets places that have no links and whose existence index.json shows. */
export function withoutEmptyPlaces(links: Links, shown: ReadonlySet<string>): Links {
  return new Map([...links].filter(([key, of]) => of.size > 0 || !shown.has(key)));
}

/** All that stands in either. */
export function unionOf(one: Links, other: Links): Links {
  const union = new Map(one);
  for (const [key, of] of other) union.set(key, new Map([...(union.get(key) ?? []), ...of]));
  return union;
}

/** The file that the links are written to. */
export function formatLinks(links: Links): Uint8Array {
  const places = Object.fromEntries([...links].map(([key, of]) => [key, Object.fromEntries(of)]));
  return new TextEncoder().encode(JSON.stringify({ places }));
}

/**
 * Reads what {@link formatLinks} wrote.
 * @throws RegistryError MANIFEST_INVALID
 */
export function parseLinks(bytes: Uint8Array, where: string): Links {
  const { places } = parseObject(bytes, where);
  const links = new Map<string, Map<Digest, Link>>();
  for (const [key, of] of entriesOf(places, where)) {
    const found = new Map<Digest, Link>();
    for (const [digest, link] of entriesOf(of, where)) {
      if (isDigest(digest) && isLink(link)) found.set(digest, link);
    }
    links.set(key, found);
  }
  return links;
}

function entriesOf(value: unknown, where: string): [string, unknown][] {
  if (typeof value === "object" && value !== null) return Object.entries(value);
  throw new RegistryError("MANIFEST_INVALID", `${where} is damaged: remove it when nothing is being copied`);
}

function isLink(value: unknown): value is Link {
  if (typeof value !== "object" || value === null) return false;
  const { state, atMs } = value as Partial<Link>; // safe: each is checked
  return typeof atMs === "number" && (state === "pushed" || state === "kept" || state === "deleted");
}
