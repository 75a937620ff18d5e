import type { RepositoryName } from "../oci/names.ts";
import { nearest } from "../oci/near.ts";
import { pageOf } from "../registry/paging.ts";
import type { RepositoryLister, Suggester } from "../registry/registry.ts";
import type { LayoutContents } from "./contents.ts";
import type { PlaceName } from "./names.ts";
import { tagsAt } from "./tags.ts";

/** How many repositories or tags are compared with a missing one. */
const maxCandidates = 1000;
const maxSuggestions = 5;
/** How many near tags are told, so that there is room for new ones. */
const maxNearTags = 3;

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
      const tags = tagsAt(await contents.current(), { registry, repository });
      const newest = [...tags].reverse().slice(0, maxCandidates);
      const near = nearest(missing, newest, maxNearTags);
      return [...new Set([...near, ...newest])].slice(0, maxSuggestions);
    },
    async suggestRepositories(missing) {
      return nearest(missing, (await listed()).slice(0, maxCandidates), maxSuggestions);
    },
  };
}
