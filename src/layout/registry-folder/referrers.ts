import type { Descriptor } from "../../oci/descriptors.ts";
import type { Digest } from "../../oci/digests.ts";
import { isRegistryError } from "../../oci/errors.ts";
import { parseManifest, referrerDescriptor } from "../../oci/manifests.ts";
import type { RepositoryName } from "../../oci/names.ts";
import { pageOf } from "../../registry/paging.ts";
import type { ManifestReader, ReferrerLister } from "../../registry/registry.ts";

/** By subject. */
type Referrers = ReadonlyMap<Digest, readonly Descriptor[]>;

/**
 * Referrers in the folder, which has no list of them: all manifests of a repository are read when the first are asked
 * for. Those of one repository are kept, the one that was asked about last.
 */
export function createReferrerLister(
  revisions: (repository: RepositoryName) => Promise<readonly Digest[]>,
  getManifest: ManifestReader["getManifest"],
): ReferrerLister {
  let known: { readonly repository: RepositoryName; readonly referrers: Promise<Referrers> } | undefined;

  const find = async (repository: RepositoryName): Promise<Referrers> => {
    const bySubject = new Map<Digest, Descriptor[]>();
    for (const digest of await revisions(repository)) {
      const stored = await getManifest(repository, digest).catch((error: unknown) => {
        if (!isRegistryError(error)) throw error;
      });
      if (!stored) continue; // damaged: whoever copies it is told
      const { bytes, descriptor } = stored;
      const manifest = parseManifest(bytes, descriptor.mediaType);
      if (!manifest.subject) continue;
      const { digest: subject } = manifest.subject;
      bySubject.set(subject, [
        ...(bySubject.get(subject) ?? []),
        referrerDescriptor(manifest, digest, bytes.byteLength),
      ]);
    }
    return bySubject;
  };

  return {
    async listReferrers(repository, subject, options = {}) {
      options.signal?.throwIfAborted();
      if (known?.repository !== repository) known = { repository, referrers: find(repository) };
      const { artifactType } = options;
      const all = (await known.referrers).get(subject) ?? [];
      const wanted = all.filter((each) => artifactType === undefined || each.artifactType === artifactType);
      return pageOf(wanted, ({ digest }) => digest, options);
    },
  };
}
