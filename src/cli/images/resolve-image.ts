import type { LayoutEntry } from "../../layout/index.ts";
import { type Digest, encodedOf, isDigest } from "../../oci/digests.ts";
import { isRegistryError, quote, RegistryError } from "../../oci/errors.ts";
import { familiarReference, parseReference, type Reference, withDefaultTag } from "../../oci/references.ts";
import type { LocalImage } from "./local-image.ts";

/** A local image, and by which of its names it was asked for; none when it was asked for by ID. */
export interface ResolvedImage {
  readonly image: LocalImage;
  readonly reference?: Reference;
}

/**
 * Finds a local image as docker does: by name, with the tag `latest` if it has none, by name and digest, or by the
 * beginning of its ID.
 * @throws RegistryError MANIFEST_UNKNOWN when there is none, or the beginning of an ID fits several
 */
export function resolveImage(images: readonly LocalImage[], text: string): ResolvedImage {
  const named = parsed(text);
  if (named) {
    const reference = withDefaultTag(named);
    const image = images.find(({ entries }) => entries.some((entry) => isNamed(entry, reference)));
    if (image) return { image, reference };
  }
  const matching = images.filter(({ id }) => isIdOf(text, id));
  const [image, other] = matching;
  if (image && other) {
    throw new RegistryError(
      "MANIFEST_UNKNOWN",
      `${quote(text)} is the beginning of several image IDs: give more characters of it`,
    );
  }
  if (image) return { image };
  const shown = named ? familiarReference(withDefaultTag(named)) : text;
  throw new RegistryError("MANIFEST_UNKNOWN", `no such image: ${shown}, see berth image ls`);
}

/** A reference, if docker would read the text as one: IDs are not. */
function parsed(text: string): Reference | undefined {
  if (isDigest(text)) return undefined;
  try {
    return parseReference(text);
  } catch (error) {
    if (isRegistryError(error)) return undefined; // then it can only be an ID
    throw error;
  }
}

/** Whether an entry goes by a reference: a digest decides over a tag. */
export function isNamed(
  { registry, repository, tag, descriptor }: LayoutEntry,
  reference: Reference,
): boolean {
  if (registry !== reference.registry || repository !== reference.repository) return false;
  return reference.digest ? descriptor.digest === reference.digest : tag === reference.tag;
}

function isIdOf(text: string, id: Digest): boolean {
  const [, algorithm, encoded = ""] = /^(?:(sha256|sha512):)?([0-9a-f]+)$/.exec(text) ?? [];
  if (encoded === "" || !encodedOf(id).startsWith(encoded)) return false;
  return algorithm === undefined || id.startsWith(`${algorithm}:`);
}
