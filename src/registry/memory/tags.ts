import type { Digest } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";
import { pageOf } from "../paging.ts";
import type { StoredManifest, TagReader } from "../registry.ts";
import {
  type MemoryState,
  type RepositoryState,
  requireManifest,
  requireRepository,
} from "./repositories.ts";

/** Points tags at a manifest. @returns each of them once */
export function moveTags(repository: RepositoryState, tags: readonly Tag[], digest: Digest): readonly Tag[] {
  for (const tag of tags) {
    repository.tags.delete(tag); // the map's order is that of moves
    repository.tags.set(tag, digest);
  }
  return [...new Set(tags)];
}

/** Tags in memory. */
export function createTags(state: MemoryState): TagReader {
  const get = (name: RepositoryName, tag: Tag): StoredManifest => {
    const repository = requireRepository(state, name);
    return requireManifest(repository, requireTag(repository, tag)).stored;
  };
  return {
    async getTag(name, tag, options) {
      options?.signal?.throwIfAborted();
      return get(name, tag);
    },
    async resolveTag(name, tag, options) {
      options?.signal?.throwIfAborted();
      return get(name, tag).descriptor;
    },
    async listTags(name, options = {}) {
      options.signal?.throwIfAborted();
      return pageOf(requireRepository(state, name).tags.keys(), (tag) => tag, options);
    },
    async deleteTag(name, tag, options) {
      options?.signal?.throwIfAborted();
      const repository = requireRepository(state, name);
      requireTag(repository, tag);
      repository.tags.delete(tag);
    },
  };
}

function requireTag(repository: RepositoryState, tag: Tag): Digest {
  const digest = repository.tags.get(tag);
  if (digest) return digest;
  throw new RegistryError("MANIFEST_UNKNOWN", `repository ${repository.name} has no tag ${tag}`);
}
