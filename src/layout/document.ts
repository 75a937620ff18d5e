import type { Descriptor } from "../oci/descriptors.ts";
import type { Digest } from "../oci/digests.ts";
import { isRegistryError, RegistryError } from "../oci/errors.ts";
import { parseDescriptor } from "../oci/manifests.ts";
import { mediaTypes } from "../oci/media-types.ts";
import type { Tag } from "../oci/names.ts";
import { parseStrictJson } from "../oci/strict-json.ts";
import {
  annotationsOfName,
  type EntryName,
  imageNameAnnotation,
  nameOfEntry,
  type PlaceName,
  placeKey,
  refNameAnnotation,
} from "./names.ts";

/** One manifest that index.json lists, under one name. */
export interface Entry extends EntryName {
  readonly descriptor: Descriptor;
}

/** A line of index.json: what is understood, or what is kept as it came. */
type Item = { readonly entry: Entry } | { readonly unknown: unknown };

/** The index.json of a layout. https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md#indexjson-file */
export interface IndexDocument {
  /** Its other fields, as they came. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly items: readonly Item[];
  /** Those of `items` that are understood, the one that was named last at the end. */
  readonly entries: readonly Entry[];
}

/** The index.json of a layout that holds nothing. */
export const emptyDocument: IndexDocument = documentOf(
  { schemaVersion: 2, mediaType: mediaTypes.ociIndex },
  [],
);

/** An index.json that lists these descriptors. */
export function documentOfDescriptors(descriptors: readonly Descriptor[]): IndexDocument {
  return documentOf(emptyDocument.fields, descriptors.map(itemOf));
}

function documentOf(fields: IndexDocument["fields"], items: readonly Item[]): IndexDocument {
  return { fields, items, entries: items.flatMap((item) => ("entry" in item ? [item.entry] : [])) };
}

/**
 * Parses index.json. Entries that are not understood are kept as they are.
 * @param where what it is, for messages
 * @throws RegistryError MANIFEST_INVALID
 */
export function parseDocument(bytes: Uint8Array, where: string): IndexDocument {
  const object = parseObject(bytes, where);
  const { manifests, ...fields } = object;
  if (manifests !== undefined && manifests !== null && !Array.isArray(manifests)) {
    throw new RegistryError("MANIFEST_INVALID", `${where} is damaged: its manifests are not a list`);
  }
  return documentOf(fields, (manifests ?? []).map(itemOf));
}

/**
 * Parses a JSON object.
 * @throws RegistryError MANIFEST_INVALID
 */
export function parseObject(bytes: Uint8Array, where: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = parseStrictJson(bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RegistryError("MANIFEST_INVALID", `${where} is damaged: ${reason}`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RegistryError("MANIFEST_INVALID", `${where} is damaged: it is not a JSON object`);
  }
  return value as Readonly<Record<string, unknown>>; // safe: an object that is not a list
}

function itemOf(value: unknown): Item {
  try {
    const descriptor = parseDescriptor(value, "manifests[]");
    return { entry: { ...nameOfEntry(descriptor), descriptor } };
  } catch (error) {
    if (isRegistryError(error)) return { unknown: value };
    throw error;
  }
}

/** The bytes of index.json. */
export function formatDocument({ fields, items }: IndexDocument): Uint8Array {
  const manifests = items.map((item) => ("entry" in item ? item.entry.descriptor : item.unknown));
  return new TextEncoder().encode(JSON.stringify({ ...fields, manifests }));
}

/** Whether an entry stands in a place. */
export function isAt(entry: PlaceName, place: PlaceName): boolean {
  return entry.repository === place.repository && entry.registry === place.registry;
}

/** The entries of one place. */
export function entriesAt({ entries }: IndexDocument, place: PlaceName): readonly Entry[] {
  return entries.filter((entry) => isAt(entry, place));
}

/** What a tag of a place points at. */
export function findTag({ entries }: IndexDocument, place: PlaceName, tag: Tag): Entry | undefined {
  return entries.findLast((entry) => entry.tag === tag && isAt(entry, place));
}

/** Leaves out the entries that are not wanted. */
export function withoutEntries(
  { fields, items }: IndexDocument,
  isUnwanted: (entry: Entry) => boolean,
): IndexDocument {
  return documentOf(
    fields,
    items.filter((item) => !("entry" in item && isUnwanted(item.entry))),
  );
}

/** Adds an entry at the end. */
export function withEntry(
  { fields, items }: IndexDocument,
  descriptor: Descriptor,
  name: EntryName,
): IndexDocument {
  return documentOf(fields, [...items, { entry: newEntry(descriptor, name) }]);
}

/** An entry of this name; other annotations of the descriptor are kept. */
function newEntry(descriptor: Descriptor, { registry, repository, tag }: EntryName): Entry {
  const name: EntryName = { registry, repository, ...(tag ? { tag } : {}) };
  const {
    [refNameAnnotation]: _refName,
    [imageNameAnnotation]: _imageName,
    ...others
  } = descriptor.annotations ?? {};
  const { annotations: _annotations, ...rest } = descriptor;
  const annotations = { ...others, ...annotationsOfName(name, descriptor.digest) };
  const hasAny = Object.keys(annotations).length > 0;
  return { ...name, descriptor: hasAny ? { ...rest, annotations } : rest };
}

/**
 * Points a tag at a manifest. What it pointed at before stays without a tag, if it has no other entry there; an
 * entry of the manifest without a tag becomes this one.
 */
export function withTag(document: IndexDocument, descriptor: Descriptor, name: EntryName): IndexDocument {
  const { tag } = name;
  if (!tag) return withEntry(document, descriptor, name);
  const { digest } = descriptor;
  const known = entriesAt(document, name).find((entry) => entry.descriptor.digest === digest);
  const untagged = withoutTag(document, name, tag);
  const others = withoutEntries(
    untagged,
    (entry) => isAt(entry, name) && entry.descriptor.digest === digest && entry.tag === undefined,
  );
  return withEntry(others, known?.descriptor ?? descriptor, name);
}

/** Takes a tag away; its manifest stays. */
export function withoutTag(document: IndexDocument, place: PlaceName, tag: Tag): IndexDocument {
  const gone = entriesAt(document, place).filter((entry) => entry.tag === tag);
  let left = withoutEntries(document, (entry) => gone.includes(entry));
  for (const { descriptor } of gone) {
    if (!hasEntry(left, place, descriptor.digest)) left = withEntry(left, descriptor, placeNameOf(place));
  }
  return left;
}

/** Whether a place lists a manifest itself. */
export function hasEntry(document: IndexDocument, place: PlaceName, digest: Digest): boolean {
  return entriesAt(document, place).some((entry) => entry.descriptor.digest === digest);
}

function placeNameOf({ registry, repository }: PlaceName): PlaceName {
  return { registry, repository };
}

/** The keys of all places that have an entry. */
export function placesOf({ entries }: IndexDocument): ReadonlySet<string> {
  return new Set(entries.map(placeKey));
}
