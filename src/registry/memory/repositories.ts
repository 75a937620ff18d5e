import type { Descriptor } from "../../oci/descriptors.ts";
import type { Digest } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";
import { pageOf } from "../paging.ts";
import type { RepositoryLister, StoredManifest, Suggester } from "../registry.ts";
import { repositoriesNear, tagsNear } from "../suggestions.ts";

/** What an in-memory registry holds. */
export interface MemoryState {
  readonly repositories: Map<RepositoryName, RepositoryState>;
  readonly blobs: Map<Digest, BlobState>;
}

/** A blob that at least one repository links. */
export interface BlobState {
  readonly bytes: Uint8Array;
  readonly holders: Set<RepositoryName>;
}

/** A repository. It is made by the first thing that is linked to it, and stays. */
export interface RepositoryState {
  readonly name: RepositoryName;
  /** Blobs that were deleted from it and not sent again. */
  readonly deletedBlobs: Set<Digest>;
  readonly manifests: Map<Digest, ManifestState>;
  /** Which manifest a tag points at, the tag that moved last at the end. */
  readonly tags: Map<Tag, Digest>;
  /** By subject, by the referrer's own digest. */
  readonly referrers: Map<Digest, Map<Digest, Descriptor>>;
}

/** A manifest and what it names, so that this is not deleted while it is needed. */
export interface ManifestState {
  readonly stored: StoredManifest;
  readonly subject: Digest | undefined;
  readonly neededBlobs: ReadonlySet<Digest>;
  readonly neededManifests: ReadonlySet<Digest>;
}

/** An empty repository. */
export function newRepository(name: RepositoryName): RepositoryState {
  return { name, deletedBlobs: new Set(), manifests: new Map(), tags: new Map(), referrers: new Map() };
}

/** The repository's state, made if it is not there. */
export function ensureRepository(state: MemoryState, name: RepositoryName): RepositoryState {
  const repository = state.repositories.get(name) ?? newRepository(name);
  state.repositories.set(name, repository);
  return repository;
}

/** @throws RegistryError NAME_UNKNOWN */
export function requireRepository(state: MemoryState, name: RepositoryName): RepositoryState {
  const repository = state.repositories.get(name);
  if (!repository) throw new RegistryError("NAME_UNKNOWN", `there is no repository ${name}`);
  return repository;
}

/** @throws RegistryError MANIFEST_UNKNOWN */
export function requireManifest(repository: RepositoryState, digest: Digest): ManifestState {
  const manifest = repository.manifests.get(digest);
  if (manifest) return manifest;
  throw new RegistryError("MANIFEST_UNKNOWN", `repository ${repository.name} has no manifest ${digest}`);
}

/** The list of repositories in memory, and suggestions from it. */
export function createRepositoryLister(state: MemoryState): RepositoryLister & Suggester {
  const listed = (): RepositoryName[] =>
    [...state.repositories.values()].filter(({ manifests }) => manifests.size > 0).map(({ name }) => name);
  return {
    async listRepositories(options = {}) {
      options.signal?.throwIfAborted();
      return pageOf(listed(), (name) => name, options);
    },
    async suggestTags(name, missing) {
      return tagsNear(missing, [...(state.repositories.get(name)?.tags.keys() ?? [])]);
    },
    async suggestRepositories(missing) {
      return repositoriesNear(missing, listed());
    },
  };
}
