import type { LayoutEntry } from "../../layout/index.ts";
import type { Digest } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import { familiarName, familiarReference } from "../../oci/references.ts";
import { referenceOf } from "./filters.ts";
import { type LocalImage, shortId } from "./local-image.ts";
import { isNamed, type ResolvedImage } from "./resolve-image.ts";

/** What removing an image by one of its names, or by its ID, does. */
export interface Removal {
  /** Lines that are taken out of the layout. */
  readonly entries: readonly LayoutEntry[];
  /** Names that it loses, as docker shows them. */
  readonly untagged: readonly string[];
  /** The image, when it has no name any more. */
  readonly deleted?: Digest;
}

/**
 * Plans a removal as docker does it: a name is taken away, and the image goes with its last one. By ID it goes at once
 * when it has one tag at most and names of one repository only; with `force` in any case.
 * @throws RegistryError UNSUPPORTED when an ID has more names
 */
export function planRemoval({ image, reference }: ResolvedImage, force: boolean): Removal {
  const { entries } = image;
  if (!reference) {
    if (!force && !isSingle(entries)) throw namedTwice(image);
    return removalOf(image, entries);
  }
  const named = entries.filter((entry) => isNamed(entry, reference));
  if (reference.digest) {
    const tagged = named.find(({ tag }) => tag !== undefined);
    if (!tagged || force) return removalOf(image, named);
    throw new RegistryError(
      "UNSUPPORTED",
      `cannot remove ${familiarReference(reference)}: it is tagged ${familiarReference(referenceOf(tagged))}: remove ` +
        "that name, or use --force",
    );
  }
  // A repository whose last tag goes keeps no digest of the image either.
  const inRepository = entries.filter((entry) => familiarName(entry) === familiarName(reference));
  const keepsTag = inRepository.some((entry) => entry.tag !== undefined && !named.includes(entry));
  return removalOf(image, keepsTag ? named : inRepository);
}

function removalOf(image: LocalImage, entries: readonly LayoutEntry[]): Removal {
  const left = image.entries.filter((entry) => !entries.includes(entry));
  const tags = entries.flatMap((entry) => (entry.tag ? [familiarReference(referenceOf(entry))] : []));
  const digests = entries
    .filter((entry) => !left.some((other) => digestName(other) === digestName(entry)))
    .map(digestName);
  return {
    entries,
    untagged: [...new Set([...tags, ...digests])],
    ...(left.length === 0 ? { deleted: image.id } : {}),
  };
}

function digestName(entry: LayoutEntry): string {
  return `${familiarName(entry)}@${entry.descriptor.digest}`;
}

function isSingle(entries: readonly LayoutEntry[]): boolean {
  const repositories = new Set(entries.map(familiarName));
  return repositories.size <= 1 && entries.filter(({ tag }) => tag !== undefined).length <= 1;
}

function namedTwice(image: LocalImage): RegistryError {
  const repositories = new Set(image.entries.map(familiarName)).size;
  const where = repositories > 1 ? "is referenced in multiple repositories" : "has several tags";
  const names = image.entries.flatMap((entry) => (entry.tag ? [familiarReference(referenceOf(entry))] : []));
  return new RegistryError(
    "UNSUPPORTED",
    `unable to delete ${shortId(image.id)} (must be forced): the image ${where}: ${names.join(", ")}: remove these ` +
      "names, or use --force",
  );
}
