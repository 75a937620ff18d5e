import type { RepositoryName } from "../oci/names.ts";
import { pageOf } from "../registry/paging.ts";
import type { RepositoryLister, Suggester } from "../registry/registry.ts";
import { repositoriesNear, tagsNear } from "../registry/suggestions.ts";
import type { LayoutContents } from "./contents.ts";
import type { PlaceName } from "./names.ts";
import { tagsAt } from "./tags.ts";

/** The repositories of one registry in a layout, and suggestions from it. */
export function createRepositoryLister(
  registry: PlaceName["registry"],
  contents: LayoutContents,
): RepositoryLister & Suggester {
  const listed = async (): Promise<RepositoryName[]> => {
    const { entries } = (await contents.current()).index;
    const names = entries.flatMap((entry) => (entry.registry === registry ? [entry.repository] : []));
    return [...new Set(names)];
  };
  return {
    async listRepositories(options = {}) {
      options.signal?.throwIfAborted();
      return pageOf(await listed(), (name) => name, options);
    },
    async suggestTags(repository, missing) {
      return tagsNear(missing, tagsAt(await contents.current(), { registry, repository }));
    },
    async suggestRepositories(missing) {
      return repositoriesNear(missing, await listed());
    },
  };
}
