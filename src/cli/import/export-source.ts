import type { LayoutArchive } from "../../layout/index.ts";
import type { Digest } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import type { ExportDocument } from "../export/document.ts";
import type { ImportSource } from "./source.ts";

/** An archive that `berth export` wrote as a source: with the history of tags, and what is gone since the one before. */
export function exportSource(
  name: string,
  archive: LayoutArchive,
  { registry: host, repositories, since }: ExportDocument,
  close: () => Promise<void>,
): ImportSource {
  const registry = archive.at(host);
  return {
    name,
    listsManifests: true,
    listsRepositories: true,
    brought: since === undefined ? [] : repositories,
    async *repositories(wanted) {
      if (!wanted.everyTag && since !== undefined) {
        throw new RegistryError(
          "UNSUPPORTED",
          `${name} holds what changed since another archive, all of which belongs together: leave out --tag`,
        );
      }
      const inArchive = new Map<string, Set<Digest>>();
      for (const entry of archive.entries()) {
        const known = inArchive.get(entry.repository) ?? new Set();
        inArchive.set(entry.repository, known.add(entry.descriptor.digest));
      }
      for (const { repository, tags, manifests, ...past } of repositories) {
        if (!wanted.repository(repository)) continue;
        // By repository: what this one has from an earlier archive may be in this one for another.
        const isIn = (digest: Digest): boolean => inArchive.get(repository)?.has(digest) ?? false;
        const { history, removedTags, removedManifests } = past;
        yield {
          ...{ registry, repository, name: repository },
          contents: async () => ({
            tags: new Map([...tags].map(([tag, digest]) => [tag, { digest }])),
            manifests: wanted.everyTag ? manifests.filter(isIn) : [],
          }),
          past: {
            isIn,
            isIncremental: since !== undefined,
            ...(history && wanted.everyTag ? { history } : {}),
            ...{ removedTags, removedManifests },
          },
        };
      }
    },
    close,
  };
}
