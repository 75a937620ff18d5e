import type { Descriptor } from "../oci/descriptors.ts";
import type { Digest } from "../oci/digests.ts";
import { isRegistryError } from "../oci/errors.ts";
import { isTag, type RepositoryName, type Tag } from "../oci/names.ts";
import { defaultTag, parseReference, type Reference, type RegistryName } from "../oci/references.ts";

/** The name that skopeo, umoci, oras and crane look up: a tag alone, or a whole reference. */
export const refNameAnnotation = "org.opencontainers.image.ref.name";
/** The whole reference that containerd and docker name an image by. */
export const imageNameAnnotation = "io.containerd.image.name";

/** A repository within a layout, with the registry that it belongs to. */
export interface PlaceName {
  readonly registry: RegistryName;
  readonly repository: RepositoryName;
}

/**
 * Where entries stand that are named by a tag alone, as `skopeo copy ... oci:folder:tag` writes them, or by nothing:
 * the reference is `localhost/layout:tag`.
 */
export const plainPlace: PlaceName = {
  registry: "localhost" as RegistryName, // safe: parseReference takes it
  repository: "layout" as RepositoryName, // likewise
};

/** What an entry of index.json is called: it is in a place, and there may have a tag. */
export interface EntryName extends PlaceName {
  readonly tag?: Tag;
}

/** A place as a key: the registry's name has no slash, so that it is unambiguous. */
export function placeKey({ registry, repository }: PlaceName): string {
  return `${registry}/${repository}`;
}

/** The place that {@link placeKey} was made from. */
export function placeOf(key: string): PlaceName {
  const slash = key.indexOf("/");
  // safe: keys are made of parsed names
  return {
    registry: key.slice(0, slash) as RegistryName,
    repository: key.slice(slash + 1) as RepositoryName,
  };
}

function isPlain(place: PlaceName): boolean {
  return placeKey(place) === placeKey(plainPlace);
}

/**
 * Reads an entry's name from its annotations, whoever wrote them: docker and containerd give the whole reference and
 * the tag, skopeo whatever the person typed, others the tag. A name that is neither leaves the entry nameless.
 */
export function nameOfEntry({ annotations = {} }: Pick<Descriptor, "annotations">): EntryName {
  const image = annotations[imageNameAnnotation];
  const named = image === undefined ? undefined : referenceOf(image);
  if (named) return nameOf(named);
  const text = annotations[refNameAnnotation];
  if (text === undefined) return plainPlace;
  if (isTag(text)) return { ...plainPlace, tag: text };
  const reference = referenceOf(text);
  return reference ? nameOf(reference) : plainPlace;
}

function referenceOf(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch (error) {
    if (isRegistryError(error)) return undefined; // a name that only its writer understands
    throw error;
  }
}

function nameOf({ registry, repository, tag, digest }: Reference): EntryName {
  const effective = tag ?? (digest ? undefined : defaultTag);
  return { registry, repository, ...(effective ? { tag: effective } : {}) };
}

/** The annotations that say an entry's name, as all the programs above understand it. */
export function annotationsOfName(name: EntryName, digest: Digest): Readonly<Record<string, string>> {
  const { tag } = name;
  if (isPlain(name)) return tag ? { [refNameAnnotation]: tag } : {};
  if (!tag) return { [imageNameAnnotation]: `${placeKey(name)}@${digest}` };
  const full = `${placeKey(name)}:${tag}`;
  return { [refNameAnnotation]: full, [imageNameAnnotation]: full };
}
