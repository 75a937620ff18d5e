import { isRegistryError, RegistryError } from "../oci/errors.ts";
import { isTag } from "../oci/names.ts";
import { deleteScope, pullScope } from "../oci/scopes.ts";
import type { TagReader } from "../registry/registry.ts";
import { listOf, listPage } from "./lists.ts";
import { fetchManifest, resolveReference } from "./manifest-reads.ts";
import type { Remote } from "./remote.ts";

/** Tags of a remote registry. */
export function createTags(remote: Remote): TagReader {
  return {
    getTag: (repository, tag, options) => fetchManifest(remote, repository, tag, options),
    resolveTag: (repository, tag, options) => resolveReference(remote, repository, tag, options),

    listTags: (repository, options = {}) =>
      listPage({
        endpoint: remote.urlOf(`${repository}/tags/list`),
        options,
        ask: (to) =>
          remote.ask(
            {
              method: "GET",
              to,
              scopes: [pullScope(repository)],
              action: `list tags of ${remote.nameOf(repository)}`,
              accept: [200],
            },
            options,
          ),
        itemsOf: (answer) => listOf(answer, "tags").filter((name) => typeof name === "string" && isTag(name)),
        keyOf: (tag) => tag,
      }),

    async deleteTag(repository, tag, options) {
      try {
        await remote.ask(
          {
            method: "DELETE",
            to: `${repository}/manifests/${tag}`,
            scopes: [deleteScope(repository)],
            action: `delete tag ${tag} of ${remote.nameOf(repository)}`,
            accept: [200, 202, 204],
            notFound: "MANIFEST_UNKNOWN",
            isDoneWhenGone: true,
          },
          options,
        );
      } catch (error) {
        // What registries answer that take nothing but a digest there.
        if (!isRegistryError(error, "DIGEST_INVALID", "UNSUPPORTED")) throw error;
        throw new RegistryError(
          "UNSUPPORTED",
          `${error.message}: if ${remote.name} deletes no tags, delete the manifest by its digest, which all its tags go with`,
          { cause: error },
        );
      }
    },
  };
}
