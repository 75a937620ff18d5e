import type { ImageToSave, Layout, LayoutEntry } from "../../layout/index.ts";
import { isRegistryError } from "../../oci/errors.ts";
import { parseReference, type Reference } from "../../oci/references.ts";
import type { LocalImage } from "./local-image.ts";
import { isNamed, resolveImage } from "./resolve-image.ts";

/**
 * What `save` writes for the names that were given, as docker does: a name, an image by its ID without any name, or a
 * repository with all its tags.
 * @throws RegistryError MANIFEST_UNKNOWN
 */
export function imagesToSave(
  layout: Layout,
  images: readonly LocalImage[],
  texts: readonly string[],
): readonly ImageToSave[] {
  const wanted = texts.flatMap((text) => {
    const all = entriesOfRepository(images, text);
    if (all.length > 0) return all.map((entry) => toSave(layout, entry, true));
    const { image, reference } = resolveImage(images, text);
    const entry = image.entries.find((each) => !reference || isNamed(each, reference));
    return entry ? [toSave(layout, entry, reference !== undefined)] : [];
  });
  const seen = new Set<string>();
  return wanted.filter(({ digest, name }) => {
    const key = `${digest} ${name?.registry}/${name?.repository}:${name?.tag}`;
    return !seen.has(key) && seen.add(key);
  });
}

/** The tagged entries of a repository that is named without a tag. */
function entriesOfRepository(images: readonly LocalImage[], text: string): readonly LayoutEntry[] {
  const reference = bareReference(text);
  if (!reference) return [];
  return images.flatMap(({ entries }) =>
    entries.filter(
      ({ registry, repository, tag }) =>
        tag !== undefined && registry === reference.registry && repository === reference.repository,
    ),
  );
}

function bareReference(text: string): Reference | undefined {
  try {
    const reference = parseReference(text);
    return reference.tag || reference.digest ? undefined : reference;
  } catch (error) {
    if (isRegistryError(error)) return undefined; // an ID
    throw error;
  }
}

function toSave(layout: Layout, entry: LayoutEntry, isNamed: boolean): ImageToSave {
  const { registry, repository, tag, descriptor } = entry;
  const place = { registry: layout.at(registry), repository, digest: descriptor.digest };
  return isNamed && tag ? { ...place, name: { registry, repository, tag } } : place;
}
