import type { LayoutArchive } from "../../layout/index.ts";
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
    brought: since === undefined ? [] : repositories,
    async *repositories(wanted) {
      if (!wanted.everyTag && since !== undefined) {
        throw new RegistryError(
          "UNSUPPORTED",
          `${name} holds what changed since another archive, all of which belongs together: leave out --tag`,
        );
      }
      for (const { repository, tags, manifests, ...past } of repositories) {
        if (!wanted.repository(repository)) continue;
        const { history, removedTags, removedManifests } = past;
        yield {
          ...{ registry, repository, name: repository },
          contents: async () => ({
            tags: new Map([...tags].map(([tag, digest]) => [tag, { digest }])),
            manifests: wanted.everyTag ? manifests.filter(archive.has) : [],
          }),
          past: {
            isIn: archive.has,
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
