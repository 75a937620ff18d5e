import { isRegistryError, RegistryError } from "../../oci/errors.ts";
import { isRepositoryName, type RepositoryName, type Tag } from "../../oci/names.ts";
import type { RegistryName } from "../../oci/references.ts";
import { matchesRepository, type RepositoryPattern } from "../../oci/repository-patterns.ts";
import { forEachBounded } from "../../registry/concurrency.ts";
import type { Registry } from "../../registry/registry.ts";
import { allItems } from "../pages.ts";
import type { ImportSource, OnProblem, SourceContents, SourceTag, Wanted } from "./source.ts";

/** Tags that are looked up at a time. */
const lookupBound = 8;

/** A registry that has a name. */
export interface NamedRegistry extends Registry {
  readonly registry: RegistryName;
}

/** A running registry as a source, whichever it is. @param pattern which of its repositories; all, if absent */
export function registrySource(
  client: NamedRegistry,
  pattern: RepositoryPattern | undefined,
  signal: AbortSignal,
): ImportSource {
  return {
    name: client.registry,
    listsManifests: false,
    listsRepositories: false,
    async *repositories(all) {
      const wanted = pattern === undefined ? all : narrowed(all, pattern);
      for await (const repository of namesOf(client, wanted, signal)) {
        if (!wanted.repository(repository)) continue;
        const contents = (onProblem: OnProblem) => contentsOf(client, repository, wanted, onProblem, signal);
        yield { registry: client, repository, name: repository, contents };
      }
    },
    close: async () => {},
  };
}

function narrowed(wanted: Wanted, pattern: RepositoryPattern): Wanted {
  const named = wanted.named ?? (isRepositoryName(pattern) ? [pattern] : undefined);
  return {
    ...wanted,
    named,
    repository: (name) => matchesRepository(pattern, name) && wanted.repository(name),
  };
}

async function* namesOf(
  client: NamedRegistry,
  { named }: Wanted,
  signal: AbortSignal,
): AsyncGenerator<RepositoryName, void, undefined> {
  if (named) return yield* named;
  let isEmpty = true;
  try {
    for await (const name of allItems((page) => client.listRepositories(page), signal)) {
      isEmpty = false;
      yield name;
    }
    // Quay, for one, shows those who are not known an empty list.
    if (isEmpty) throw new RegistryError("UNSUPPORTED", "its list is empty: a login may see more");
  } catch (error) {
    if (!isRegistryError(error, "UNSUPPORTED", "DENIED", "UNAUTHORIZED", "NAME_UNKNOWN")) throw error;
    throw new RegistryError(
      error.code,
      `${client.registry} does not list its repositories (${error instanceof Error ? error.message : error}): name ` +
        `them one by one, such as ${client.registry}/team/app, for berth import also in a file with --repositories`,
      { cause: error },
    );
  }
}

async function contentsOf(
  client: NamedRegistry,
  repository: RepositoryName,
  wanted: Wanted,
  onProblem: OnProblem,
  signal: AbortSignal,
): Promise<SourceContents> {
  const names = await tagsOf(client, repository, wanted, signal);
  const tags = new Map<Tag, SourceTag>();
  await forEachBounded(names, lookupBound, async (tag) => {
    try {
      const { digest } = await client.resolveTag(repository, tag, { signal });
      tags.set(tag, { digest });
    } catch (error) {
      signal.throwIfAborted();
      onProblem({ where: `${repository}:${tag}`, error });
    }
  });
  return { tags, manifests: [] };
}

/** None where the catalog names a repository of which nothing is left. */
async function tagsOf(
  client: NamedRegistry,
  repository: RepositoryName,
  { named }: Wanted,
  signal: AbortSignal,
): Promise<readonly Tag[]> {
  const found: Tag[] = [];
  try {
    for await (const tag of allItems((page) => client.listTags(repository, page), signal)) found.push(tag);
  } catch (error) {
    const isGone = !named && found.length === 0 && isRegistryError(error, "NAME_UNKNOWN");
    if (!isGone) throw error;
  }
  return found;
}
