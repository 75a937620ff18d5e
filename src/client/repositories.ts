import { isRepositoryName } from "../oci/names.ts";
import { catalogScope } from "../oci/scopes.ts";
import type { RepositoryLister, Suggester } from "../registry/registry.ts";
import { listOf, listPage } from "./lists.ts";
import type { Remote } from "./remote.ts";

/** Repositories of a remote registry. It suggests nothing: what is near stands in the messages of its errors. */
export function createRepositories(remote: Remote): RepositoryLister & Suggester {
  return {
    listRepositories: (options = {}) =>
      listPage({
        endpoint: remote.urlOf("_catalog"),
        options,
        ask: async (to) => {
          await remote.introduce(options);
          return remote.ask(
            {
              method: "GET",
              to,
              scopes: [catalogScope],
              action: `list repositories of ${remote.name}`,
              accept: [200],
              notFound: "UNSUPPORTED",
            },
            options,
          );
        },
        itemsOf: (answer) =>
          listOf(answer, "repositories").filter((name) => typeof name === "string" && isRepositoryName(name)),
        keyOf: (name) => name,
      }),
    suggestTags: async () => [],
    suggestRepositories: async () => [],
  };
}
