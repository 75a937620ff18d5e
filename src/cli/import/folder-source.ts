import { openRegistryFolder } from "../../layout/registry-folder/folder.ts";
import type { ImportSource } from "./source.ts";

/** The data folder of a CNCF registry as a source. @throws as `openRegistryFolder` */
export async function folderSource(path: string): Promise<ImportSource> {
  const folder = await openRegistryFolder(path);
  return {
    name: path,
    listsManifests: true,
    listsRepositories: true,
    async *repositories(wanted, onProblem) {
      for await (const repository of folder.repositories((name, error) => {
        if (name === "" || wanted.repository(name)) onProblem({ where: name || path, error });
      })) {
        if (!wanted.repository(repository)) continue;
        yield {
          registry: folder.registry,
          repository,
          name: repository,
          contents: async (onFault) => ({
            tags: await folder.tags(repository, (tag, error) =>
              onFault({ where: tag === "" ? repository : `${repository}:${tag}`, error }),
            ),
            manifests: wanted.everyTag
              ? await folder.revisions(repository, (error) => onFault({ where: repository, error }))
              : [],
          }),
        };
      }
    },
    close: async () => {},
  };
}
