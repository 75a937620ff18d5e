import type { Descriptor } from "../oci/descriptors.ts";
import type { Digest } from "../oci/digests.ts";
import { isRegistryError } from "../oci/errors.ts";
import { type Manifest, parseManifest } from "../oci/manifests.ts";
import { forEachBounded } from "../registry/concurrency.ts";
import { needsOf } from "../registry/manifests.ts";
import type { LayoutFiles, LayoutState } from "./contents.ts";
import { entriesAt, type IndexDocument, placesOf } from "./document.ts";
import { isLinked } from "./links.ts";
import { type PlaceName, placeKey, placeOf } from "./names.ts";

/** A manifest of a place. */
export interface HeldManifest {
  readonly descriptor: Descriptor;
  /** `undefined` when its file is missing or of a kind that is not known. */
  readonly manifest: Manifest | undefined;
}

/** What the entries of a place lead to. */
export interface Holdings {
  readonly manifests: ReadonlyMap<Digest, HeldManifest>;
  /** By blob, a manifest of the place that names it. */
  readonly blobs: ReadonlyMap<Digest, Digest>;
  /** By child, an index of the place that lists it. */
  readonly listedBy: ReadonlyMap<Digest, Digest>;
}

/** Finds out what places hold. */
export interface HoldingsReader {
  of(index: IndexDocument, place: PlaceName): Promise<Holdings>;
  /** The keys of all places that hold a blob, linked or named by a manifest. */
  holdersOf(state: LayoutState, digest: Digest): Promise<readonly string[]>;
  /** Whether nothing in the layout needs the file of `digest` any more. */
  isGarbage(state: LayoutState, digest: Digest): Promise<boolean>;
}

/** How many manifests are read at a time. */
const readBound = 16;

/** Manifests never change, so that each is read and parsed once. */
export function createHoldingsReader(files: LayoutFiles): HoldingsReader {
  const parsed = new Map<Digest, Promise<Manifest | undefined>>();
  const known = new WeakMap<IndexDocument, Map<string, Promise<Holdings>>>();

  const readOnce = (descriptor: Descriptor): Promise<Manifest | undefined> => {
    const { digest } = descriptor;
    const reading = parsed.get(digest) ?? readManifest(files, descriptor);
    parsed.set(digest, reading);
    const forget = (): void => void parsed.delete(digest); // it may come later
    reading.then((manifest) => manifest ?? forget(), forget);
    return reading;
  };

  const of: HoldingsReader["of"] = (index, place) => {
    const ofIndex = known.get(index) ?? new Map<string, Promise<Holdings>>();
    known.set(index, ofIndex);
    const key = placeKey(place);
    const found = ofIndex.get(key) ?? walk(readOnce, index, place);
    ofIndex.set(key, found);
    return found;
  };

  const keysOf = ({ index, links }: LayoutState): string[] => [
    ...new Set([...placesOf(index), ...links.keys()]),
  ];

  return {
    of,
    async holdersOf(state, digest) {
      const holders: string[] = [];
      for (const key of keysOf(state)) {
        const place = placeOf(key);
        const isHolder =
          isLinked(state.links, place, digest) || (await of(state.index, place)).blobs.has(digest);
        if (isHolder) holders.push(key);
      }
      return holders;
    },
    async isGarbage(state, digest) {
      for (const key of keysOf(state)) {
        const place = placeOf(key);
        const { blobs, manifests } = await of(state.index, place);
        if (isLinked(state.links, place, digest) || blobs.has(digest) || manifests.has(digest)) return false;
      }
      return true;
    },
  };
}

async function readManifest(
  files: LayoutFiles,
  { digest, mediaType }: Descriptor,
): Promise<Manifest | undefined> {
  const bytes = await files.readManifest(digest);
  if (!bytes) return undefined;
  try {
    return parseManifest(bytes, mediaType);
  } catch (error) {
    if (isRegistryError(error)) return undefined; // of a kind that is not known, or damaged: whoever gets it is told
    throw error;
  }
}

async function walk(
  read: (descriptor: Descriptor) => Promise<Manifest | undefined>,
  index: IndexDocument,
  place: PlaceName,
): Promise<Holdings> {
  const manifests = new Map<Digest, HeldManifest>();
  const blobs = new Map<Digest, Digest>();
  const listedBy = new Map<Digest, Digest>();
  const own = entriesAt(index, place).map(({ descriptor }) => descriptor);
  const ownDigests = new Set(own.map(({ digest }) => digest));
  for (let wave = own; wave.length > 0; ) {
    const children: Descriptor[] = [];
    const fresh = new Map(wave.flatMap((each) => (manifests.has(each.digest) ? [] : [[each.digest, each]])));
    await forEachBounded([...fresh.values()], readBound, async (descriptor) => {
      const { digest } = descriptor;
      const manifest = await read(descriptor);
      // An index may list what was left out when it was copied here; an entry is there even without its file.
      if (!manifest && !ownDigests.has(digest)) return;
      manifests.set(digest, { descriptor: plain(descriptor), manifest });
      for (const { kind, descriptor: needed } of manifest ? needsOf(manifest) : []) {
        const isBlob = kind === "blob" || (kind === "either" && !ownDigests.has(needed.digest));
        if (isBlob) blobs.set(needed.digest, digest);
        else children.push(needed);
        if (!isBlob) listedBy.set(needed.digest, digest);
      }
    });
    wave = children;
  }
  return { manifests, blobs, listedBy };
}

function plain({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}
