import type { Descriptor } from "../oci/descriptors.ts";
import { RegistryError } from "../oci/errors.ts";
import type { Tag } from "../oci/names.ts";
import { pageOf } from "../registry/paging.ts";
import type { TagReader } from "../registry/registry.ts";
import type { LayoutContents, LayoutState } from "./contents.ts";
import { type Entry, entriesAt, findTag } from "./document.ts";
import { readStored, requirePlace } from "./manifests.ts";
import { type PlaceName, placeKey } from "./names.ts";

/** @throws RegistryError MANIFEST_UNKNOWN; NAME_UNKNOWN */
export function requireTag(state: LayoutState, name: string, place: PlaceName, tag: Tag): Entry {
  requirePlace(state, name, place);
  const entry = findTag(state.index, place, tag);
  if (entry) return entry;
  throw new RegistryError("MANIFEST_UNKNOWN", `${name} has no tag ${tag} of ${placeKey(place)}`);
}

/** The tags of a place, the one that moved last at the end. */
export function tagsAt({ index }: LayoutState, place: PlaceName): readonly Tag[] {
  return entriesAt(index, place).flatMap(({ tag }) => (tag ? [tag] : []));
}

/** Tags of one registry's repositories in a layout, without deletion. */
export function createTagLister(
  registry: PlaceName["registry"],
  contents: LayoutContents,
): Omit<TagReader, "deleteTag"> {
  const { name } = contents.files;
  const resolve = async (repository: PlaceName["repository"], tag: Tag): Promise<Descriptor> => {
    const { descriptor } = requireTag(await contents.current(), name, { registry, repository }, tag);
    const { mediaType, digest, size } = descriptor;
    return { mediaType, digest, size };
  };
  return {
    async getTag(repository, tag, options) {
      options?.signal?.throwIfAborted();
      return readStored(contents.files, await resolve(repository, tag));
    },
    async resolveTag(repository, tag, options) {
      options?.signal?.throwIfAborted();
      return resolve(repository, tag);
    },
    async listTags(repository, options = {}) {
      options.signal?.throwIfAborted();
      const state = await contents.current();
      const place = { registry, repository };
      requirePlace(state, name, place);
      return pageOf(new Set(tagsAt(state, place)), (tag) => tag, options);
    },
  };
}
