import type { Descriptor } from "../../oci/descriptors.ts";
import type { Digest } from "../../oci/digests.ts";
import { type Manifest, referrerDescriptor } from "../../oci/manifests.ts";
import { pageOf } from "../paging.ts";
import type { ReferrerLister } from "../registry.ts";
import type { MemoryState, RepositoryState } from "./repositories.ts";

/** Lists a manifest among its subject's referrers, if it has one. */
export function addReferrer(
  repository: RepositoryState,
  manifest: Manifest,
  { digest, size }: Descriptor,
): void {
  if (!manifest.subject) return;
  const subject = manifest.subject.digest;
  const referrers = repository.referrers.get(subject) ?? new Map<Digest, Descriptor>();
  referrers.set(digest, referrerDescriptor(manifest, digest, size));
  repository.referrers.set(subject, referrers);
}

/** Takes a manifest off its subject's referrers. */
export function removeReferrer(repository: RepositoryState, subject: Digest, digest: Digest): void {
  const referrers = repository.referrers.get(subject);
  referrers?.delete(digest);
  if (referrers?.size === 0) repository.referrers.delete(subject);
}

/** Lists of referrers in memory. */
export function createReferrers(state: MemoryState): ReferrerLister {
  return {
    async listReferrers(name, subject, options = {}) {
      options.signal?.throwIfAborted();
      const { artifactType } = options;
      const all = [...(state.repositories.get(name)?.referrers.get(subject)?.values() ?? [])];
      const matching =
        artifactType === undefined ? all : all.filter((referrer) => referrer.artifactType === artifactType);
      return pageOf(matching, ({ digest }) => digest, options);
    },
  };
}
