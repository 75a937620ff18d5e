import { RegistryError } from "../../oci/errors.ts";
import { isTag, type RepositoryName } from "../../oci/names.ts";
import { pageOf } from "../../registry/paging.ts";
import type { RepositoryLister, Suggester, TagReader } from "../../registry/registry.ts";
import { repositoriesNear, tagsNear } from "../../registry/suggestions.ts";
import { namesIn } from "../folder/files.ts";
import type { RegistryPaths } from "./paths.ts";

/** Tags and repositories of the folder by name, and what is near to one that is not there. */
export function createLists(
  paths: RegistryPaths,
  repositories: () => Promise<readonly RepositoryName[]>,
): Pick<TagReader, "listTags"> & RepositoryLister & Suggester {
  const tagsOf = async (repository: RepositoryName) => (await namesIn(paths.tags(repository))).filter(isTag);
  return {
    async listTags(repository, options = {}) {
      options.signal?.throwIfAborted();
      if ((await namesIn(paths.manifests(repository))).length === 0) {
        throw new RegistryError("NAME_UNKNOWN", `there is no repository ${repository} in ${paths.root}`);
      }
      return pageOf(await tagsOf(repository), (tag) => tag, options);
    },
    async listRepositories(options = {}) {
      options.signal?.throwIfAborted();
      return pageOf(await repositories(), (name) => name, options);
    },
    suggestTags: async (repository, missing) => tagsNear(missing, await tagsOf(repository)),
    suggestRepositories: async (missing) => repositoriesNear(missing, await repositories()),
  };
}
