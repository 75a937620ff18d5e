import type { Descriptor } from "../../oci/descriptors.ts";
import type { Digest } from "../../oci/digests.ts";
import { isRegistryError } from "../../oci/errors.ts";
import { parseManifest, referrerDescriptor } from "../../oci/manifests.ts";
import type { RepositoryName } from "../../oci/names.ts";
import { pageOf } from "../../registry/paging.ts";
import type { ManifestReader, ReferrerLister } from "../../registry/registry.ts";

/** By subject. */
type Referrers = ReadonlyMap<Digest, readonly Descriptor[]>;

/** Of how many repositories referrers are kept: more than are copied at a time. */
const keptRepositories = 8;

/**
 * Referrers in the folder, which has no list of them: all manifests of a repository are read when the first are asked
 * for, and what they refer to is kept until others were asked about.
 */
export function createReferrerLister(
  revisions: (repository: RepositoryName) => Promise<readonly Digest[]>,
  getManifest: ManifestReader["getManifest"],
): ReferrerLister {
  const kept = new Map<RepositoryName, Promise<Referrers>>();

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

  const referrersOf = (repository: RepositoryName): Promise<Referrers> => {
    const known = kept.get(repository) ?? find(repository);
    kept.delete(repository);
    kept.set(repository, known); // the one that was asked about last stands last
    const [first] = kept.keys();
    if (kept.size > keptRepositories && first !== undefined) kept.delete(first);
    return known;
  };

  return {
    async listReferrers(repository, subject, options = {}) {
      options.signal?.throwIfAborted();
      const { artifactType } = options;
      const all = (await referrersOf(repository)).get(subject) ?? [];
      const wanted = all.filter((each) => artifactType === undefined || each.artifactType === artifactType);
      return pageOf(wanted, ({ digest }) => digest, options);
    },
  };
}
