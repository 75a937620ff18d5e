import type { LayoutEntry } from "../../layout/index.ts";
import { quote } from "../../oci/errors.ts";
import type { Tag } from "../../oci/names.ts";
import { familiarName, type Reference } from "../../oci/references.ts";
import { UsageError } from "../command.ts";
import { createdMs, type LocalImage } from "./local-image.ts";
import { compilePattern } from "./patterns.ts";
import { resolveImage } from "./resolve-image.ts";

/** An image with the names of it that are shown. */
export interface ShownImage {
  readonly image: LocalImage;
  readonly tags: readonly (LayoutEntry & { readonly tag: Tag })[];
  /** Names with a digest: of every entry, also of those with a tag. */
  readonly digests: readonly LayoutEntry[];
}

/** What `image ls` is to show. */
export interface ImageSelection {
  /** `key=value`, as docker takes them. */
  readonly filters: readonly string[];
  /** As `--filter reference=`. */
  readonly name?: string | undefined;
  /** Also artifacts that are no images, such as signatures. */
  readonly all: boolean;
}

type Filters = ReadonlyMap<string, readonly string[]>;

const known = ["before", "dangling", "label", "reference", "since"];

/**
 * Chooses images as docker does: the newest first; every kind of filter has to fit, of `reference` one of several, of
 * `label` all.
 * @throws UsageError; RegistryError MANIFEST_UNKNOWN when `before` or `since` name no image
 */
export function selectImages(
  images: readonly LocalImage[],
  { filters, name, all }: ImageSelection,
): readonly ShownImage[] {
  const byKey = parseFilters(name === undefined ? filters : [...filters, `reference=${name}`]);
  const dangling = danglingOf(byKey);
  const matchesName = nameMatcher(byKey);
  const isChosen = imageMatcher(images, byKey);
  const shown: ShownImage[] = [];
  for (const image of images) {
    if ((!all && !image.isImage) || !isChosen(image)) continue;
    const { tags, digests } = namesOf(image, matchesName);
    const isNameless = tags.length === 0 && digests.length === 0;
    if (isNameless && (byKey.has("reference") || dangling === false)) continue;
    if (dangling === true && tags.length > 0) continue;
    shown.push({ image, tags, digests });
  }
  return shown.sort((one, other) => createdMs(other.image) - createdMs(one.image));
}

function parseFilters(texts: readonly string[]): Filters {
  const filters = new Map<string, string[]>();
  for (const text of texts) {
    const equals = text.indexOf("=");
    const key = text.slice(0, equals).trim().toLowerCase();
    if (equals < 0) throw new UsageError(`invalid filter ${quote(text)}: expected KEY=VALUE`);
    if (!known.includes(key)) {
      throw new UsageError(`there is no filter ${quote(key)}: expected one of ${known.join(", ")}`);
    }
    filters.set(key, [...(filters.get(key) ?? []), text.slice(equals + 1).trim()]);
  }
  return filters;
}

function danglingOf(filters: Filters): boolean | undefined {
  const values = filters.get("dangling");
  if (!values) return undefined;
  const isTrue = values.some((value) => value === "true" || value === "1");
  const isFalse = values.some((value) => value === "false" || value === "0");
  if (isTrue !== isFalse) return isTrue;
  throw new UsageError(`invalid filter dangling=${values.join(", dangling=")}: expected true or false`);
}

/** Docker matches a pattern against the name with its tag or digest, and against the name alone. */
function nameMatcher(filters: Filters): (name: string, rest: string) => boolean {
  const matchers = filters.get("reference")?.map(compilePattern);
  if (!matchers) return () => true;
  return (name, rest) => matchers.some((matches) => matches(name + rest) || matches(name));
}

function namesOf(
  { entries }: LocalImage,
  matches: (name: string, rest: string) => boolean,
): Pick<ShownImage, "tags" | "digests"> {
  const named = entries.filter(hasName);
  const tags = named.filter(
    (entry): entry is LayoutEntry & { tag: Tag } =>
      entry.tag !== undefined && matches(familiarName(entry), `:${entry.tag}`),
  );
  const seen = new Set<string>();
  const digests = named.filter((entry) => {
    const name = familiarName(entry);
    const full = `${name}@${entry.descriptor.digest}`;
    if (seen.has(full) || !matches(name, `@${entry.descriptor.digest}`)) return false;
    seen.add(full);
    return true;
  });
  return { tags, digests };
}

/** Whether an entry has a tag or its repository was told; one that other programs wrote may have neither. */
function hasName({ tag, descriptor: { annotations } }: LayoutEntry): boolean {
  return tag !== undefined || annotations?.["io.containerd.image.name"] !== undefined;
}

function imageMatcher(images: readonly LocalImage[], filters: Filters): (image: LocalImage) => boolean {
  const createdOf = (name: string): number => createdMs(resolveImage(images, name).image);
  const before = filters.get("before")?.map(createdOf).at(-1);
  const since = filters.get("since")?.map(createdOf).at(-1);
  const labels = filters.get("label")?.map(labelMatcher) ?? [];
  return (image) => {
    if (before !== undefined && createdMs(image) >= before) return false;
    if (since !== undefined && createdMs(image) <= since) return false;
    return labels.every((matches) => matches(image.variant?.config.labels ?? {}));
  };
}

/** `key`, or `key=value`. */
function labelMatcher(text: string): (labels: Readonly<Record<string, string>>) => boolean {
  const equals = text.indexOf("=");
  if (equals < 0) return (labels) => Object.hasOwn(labels, text);
  const [key, value] = [text.slice(0, equals), text.slice(equals + 1)];
  return (labels) => Object.hasOwn(labels, key) && labels[key] === value;
}

/** A name as a reference, without what else an entry has. */
export function referenceOf({ registry, repository, tag }: LayoutEntry): Reference {
  return { registry, repository, ...(tag ? { tag } : {}) };
}
