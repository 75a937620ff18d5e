import { stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, encodedLength, isDigest } from "../../oci/digests.ts";
import type { LayoutFiles, LayoutState } from "../contents.ts";
import { type Entry, placesOf, withoutEntries } from "../document.ts";
import type { HoldingsReader } from "../holdings.ts";
import type { Link, Links } from "../links.ts";
import { placeOf } from "../names.ts";
import type { Change, LayoutDisk } from "./disk.ts";
import { ignoreMissing, namesIn } from "./files.ts";

/** What was removed because nothing needs it any more. */
export interface Collected {
  readonly digests: readonly Digest[];
  /** How much room that makes. */
  readonly bytes: number;
}

/** Whoever pushes is done by then, or has given up. */
const pushMs = 24 * 60 * 60 * 1000;
/** Another program that writes to the layout names its blobs within this time. */
const unnamedMs = 60 * 60 * 1000;
/** A transfer that broke off may be gone on with for this long. */
const brokenMs = 7 * 24 * 60 * 60 * 1000;

/** Takes entries out of index.json and removes what then nothing needs, and what broke off long ago. */
export async function collect(
  disk: LayoutDisk,
  holdings: HoldingsReader,
  isUnwanted: (entry: Entry) => boolean,
): Promise<Collected> {
  const collected = await disk.change((state) => decide(disk, holdings, state, isUnwanted));
  await removeBroken(disk.paths.ingest);
  return collected;
}

async function decide(
  disk: LayoutDisk,
  holdings: HoldingsReader,
  before: LayoutState,
  isUnwanted: (entry: Entry) => boolean,
): Promise<Change<Collected>> {
  const index = before.index.entries.some(isUnwanted)
    ? withoutEntries(before.index, isUnwanted)
    : before.index;
  const links = recentLinks(before.links, Date.now() - pushMs);
  const after: LayoutState = { index, links };
  const needed = await neededIn(disk.files, holdings, after);
  const knownBefore = await knownIn(holdings, before);
  const digests: Digest[] = [];
  let bytes = 0;
  for (const { digest, path } of await blobsIn(disk.paths.blobs)) {
    if (needed.has(digest)) continue;
    const found = await stat(path).catch(ignoreMissing);
    if (!found || (!knownBefore.has(digest) && found.mtimeMs > Date.now() - unnamedMs)) continue;
    digests.push(digest);
    bytes += found.size;
  }
  return { index, links, garbage: digests, value: { digests, bytes } };
}

/** Leaves out what is kept for nobody. */
function recentLinks(links: Links, oldestMs: number): Links {
  const recent = [...links].map(
    ([key, of]) =>
      [key, new Map([...of].filter(([, { state, atMs }]) => state === "pushed" && atMs > oldestMs))] as const,
  );
  return new Map(recent.filter(([, of]: readonly [string, ReadonlyMap<Digest, Link>]) => of.size > 0));
}

/** All that the entries lead to and all that is linked. */
async function knownIn(holdings: HoldingsReader, { index, links }: LayoutState): Promise<Set<Digest>> {
  const known = new Set<Digest>();
  for (const of of links.values()) for (const digest of of.keys()) known.add(digest);
  for (const key of placesOf(index)) {
    const { manifests, blobs } = await holdings.of(index, placeOf(key));
    for (const digest of [...manifests.keys(), ...blobs.keys()]) known.add(digest);
  }
  return known;
}

async function neededIn(
  files: LayoutFiles,
  holdings: HoldingsReader,
  state: LayoutState,
): Promise<ReadonlySet<Digest>> {
  const needed = await knownIn(holdings, state);
  const unclear: Digest[] = [];
  for (const key of placesOf(state.index)) {
    const { manifests } = await holdings.of(state.index, placeOf(key));
    for (const [digest, { manifest }] of manifests) if (!manifest) unclear.push(digest);
  }
  for (const item of state.index.items) {
    if ("unknown" in item) unclear.push(...digestsIn(JSON.stringify(item.unknown) ?? ""));
  }
  // What is not understood may name anything: each digest that stands in it is needed.
  for (let digest = unclear.pop(); digest; digest = unclear.pop()) {
    needed.add(digest);
    const bytes = await files.readManifest(digest);
    if (bytes?.[0] !== 0x7b) continue; // no JSON object
    unclear.push(...digestsIn(new TextDecoder().decode(bytes)).filter((found) => !needed.has(found)));
  }
  return needed;
}

const anyDigest = new RegExp(
  Object.entries(encodedLength)
    .map(([algorithm, length]) => `${algorithm}:[0-9a-f]{${length}}`)
    .join("|"),
  "g",
);

function digestsIn(text: string): Digest[] {
  const found: readonly string[] = text.match(anyDigest) ?? [];
  return found.filter(isDigest);
}

async function blobsIn(folder: string): Promise<readonly { digest: Digest; path: string }[]> {
  const blobs: { digest: Digest; path: string }[] = [];
  for (const algorithm of await namesIn(folder)) {
    for (const encoded of await namesIn(join(folder, algorithm))) {
      const digest = `${algorithm}:${encoded}`;
      if (isDigest(digest)) blobs.push({ digest, path: join(folder, algorithm, encoded) });
    }
  }
  return blobs;
}

async function removeBroken(ingest: string): Promise<void> {
  for (const name of await namesIn(ingest)) {
    const path = join(ingest, name);
    const found = await stat(path).catch(ignoreMissing);
    if (found && found.mtimeMs < Date.now() - brokenMs) await unlink(path).catch(ignoreMissing);
  }
}
