import { algorithmOf, type Digest } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import { type Manifest, parseManifest } from "../../oci/manifests.ts";
import type { Tag } from "../../oci/names.ts";
import { digestOf } from "../hash.ts";
import { missingContent, type Need, needsOf } from "../manifests.ts";
import type { ManifestReader, ManifestWriter, StoredManifest } from "../registry.ts";
import { findBlob, wrongDigest } from "./blobs.ts";
import { addReferrer, removeReferrer } from "./referrers.ts";
import {
  type MemoryState,
  newRepository,
  type RepositoryState,
  requireManifest,
  requireRepository,
} from "./repositories.ts";
import { moveTags } from "./tags.ts";

/**
 * Finds what a manifest needs in its repository, and says as what.
 *
 * An index cannot name itself, since its digest would have to stand in the bytes that it is the digest of: whatever
 * digest it names, there is no such manifest when it comes.
 * @throws RegistryError MANIFEST_BLOB_UNKNOWN; MANIFEST_INVALID when a descriptor's size is another
 */
function findNeeds(state: MemoryState, repository: RepositoryState, manifest: Manifest) {
  const missing = new Set<Digest>();
  const neededBlobs = new Set<Digest>();
  const neededManifests = new Set<Digest>();
  for (const need of needsOf(manifest)) {
    const { digest, size } = need.descriptor;
    const found = findNeed(state, repository, need);
    if (!found) {
      missing.add(digest);
      continue;
    }
    if (found.size !== size) {
      throw new RegistryError(
        "MANIFEST_INVALID",
        `invalid manifest: it says that ${digest} has ${size} bytes, but it has ${found.size}`,
      );
    }
    (found.kind === "blob" ? neededBlobs : neededManifests).add(digest);
  }
  if (missing.size > 0) throw missingContent(repository.name, [...missing]);
  return { neededBlobs, neededManifests };
}

function findNeed(state: MemoryState, repository: RepositoryState, { descriptor: { digest }, kind }: Need) {
  const manifest = kind === "blob" ? undefined : repository.manifests.get(digest);
  if (manifest) return { kind: "manifest", size: manifest.stored.bytes.byteLength } as const;
  const blob = kind === "manifest" ? undefined : findBlob(state, repository.name, digest);
  return blob && ({ kind: "blob", size: blob.bytes.byteLength } as const);
}

/** Manifests in memory. */
export function createManifests(state: MemoryState): ManifestReader & ManifestWriter {
  const get = (name: RepositoryState["name"], digest: Digest): StoredManifest =>
    requireManifest(requireRepository(state, name), digest).stored;
  return {
    async getManifest(name, digest, options) {
      options?.signal?.throwIfAborted();
      return get(name, digest);
    },
    async resolveManifest(name, digest, options) {
      options?.signal?.throwIfAborted();
      return get(name, digest).descriptor;
    },
    async putManifest(name, input, options) {
      options?.signal?.throwIfAborted();
      const manifest = parseManifest(input.bytes, input.mediaType);
      const digest = digestOf(input.bytes, input.digest && algorithmOf(input.digest));
      if (input.digest && digest !== input.digest) throw wrongDigest("the manifest", input.digest, digest);
      const repository = state.repositories.get(name) ?? newRepository(name);
      if (input.onlyNewTags) refuseMoves(repository, input.tags, digest);
      const needs = findNeeds(state, repository, manifest);
      state.repositories.set(name, repository); // only now: a refused push makes no repository
      let kept = repository.manifests.get(digest);
      if (!kept) {
        const bytes = input.bytes.slice();
        const descriptor = { mediaType: manifest.mediaType, digest, size: bytes.byteLength };
        kept = { stored: { descriptor, bytes }, subject: manifest.subject?.digest, ...needs };
        repository.manifests.set(digest, kept);
        addReferrer(repository, manifest, kept.stored.descriptor);
      }
      const { descriptor } = kept.stored;
      const tags = moveTags(repository, input.tags, digest);
      return { descriptor, tags, warnings: [], ...(kept.subject ? { subject: kept.subject } : {}) };
    },
    async deleteManifest(name, digest, options) {
      options?.signal?.throwIfAborted();
      const repository = requireRepository(state, name);
      const { subject } = requireManifest(repository, digest);
      refuseWhileListed(repository, digest);
      repository.manifests.delete(digest);
      if (subject) removeReferrer(repository, subject, digest);
      for (const [tag, target] of repository.tags) if (target === digest) repository.tags.delete(tag);
    },
  };
}

function refuseMoves({ name, tags }: RepositoryState, wanted: readonly Tag[], digest: Digest): void {
  const taken = wanted.find((tag) => tags.has(tag) && tags.get(tag) !== digest);
  if (taken === undefined) return;
  throw new RegistryError("DENIED", `${name} has a tag ${taken} already, which may not be moved`);
}

function refuseWhileListed(repository: RepositoryState, digest: Digest): void {
  for (const [index, { neededManifests }] of repository.manifests) {
    if (!neededManifests.has(digest)) continue;
    throw new RegistryError(
      "UNSUPPORTED",
      `manifest ${digest} is listed by index ${index} of ${repository.name}: delete that index first`,
      { detail: { index } },
    );
  }
}
