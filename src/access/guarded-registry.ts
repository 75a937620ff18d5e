import type { Digest } from "../oci/digests.ts";
import { isRegistryError, RegistryError } from "../oci/errors.ts";
import type { RepositoryName, Tag } from "../oci/names.ts";
import { digestOf } from "../registry/hash.ts";
import type { ManifestInput, Page, PageOptions, Registry } from "../registry/registry.ts";
import type { Guard } from "./guard.ts";
import { type Permissions, readablePrefixes } from "./permissions.ts";
import type { Action } from "./roles.ts";

/**
 * A registry as one caller sees it: what may not be pulled is not there, and what may not be done is refused by the
 * repository's name alone, so that no answer differs by whether it exists. The anonymous are asked to log in instead.
 */
export function guardRegistry(inner: Registry, guard: Guard, permissions: Permissions): Registry {
  const readers = guardReaders(inner, guard);
  const lists = guardLists(inner, guard, permissions);
  return { ...readers, ...lists, ...guardWriters(inner, guard) };
}

type Readers = Pick<
  Registry,
  "getBlob" | "resolveBlob" | "getManifest" | "resolveManifest" | "getTag" | "resolveTag"
>;

function guardReaders(inner: Registry, guard: Guard): Readers {
  const noBlob = (repository: RepositoryName, digest: Digest) =>
    hidden(guard, repository, "BLOB_UNKNOWN", `repository ${repository} has no blob ${digest}`);
  const nothing = (repository: RepositoryName) =>
    hidden(guard, repository, "NAME_UNKNOWN", `there is no repository ${repository}`);
  const mayPull = (repository: RepositoryName) => guard.may("pull", repository);
  return {
    getBlob: (repository, digest, options) =>
      mayPull(repository) ? inner.getBlob(repository, digest, options) : noBlob(repository, digest),
    resolveBlob: (repository, digest, options) =>
      mayPull(repository) ? inner.resolveBlob(repository, digest, options) : noBlob(repository, digest),
    getManifest: (repository, digest, options) =>
      mayPull(repository) ? inner.getManifest(repository, digest, options) : nothing(repository),
    resolveManifest: (repository, digest, options) =>
      mayPull(repository) ? inner.resolveManifest(repository, digest, options) : nothing(repository),
    getTag: (repository, tag, options) =>
      mayPull(repository) ? inner.getTag(repository, tag, options) : nothing(repository),
    resolveTag: (repository, tag, options) =>
      mayPull(repository) ? inner.resolveTag(repository, tag, options) : nothing(repository),
  };
}

/** Rejects as for what is not there, unless logging in could help. */
async function hidden(
  guard: Guard,
  repository: RepositoryName,
  code: "BLOB_UNKNOWN" | "NAME_UNKNOWN",
  message: string,
): Promise<never> {
  throw guard.couldGetIn("pull", repository)
    ? guard.refusal("pull", repository)
    : new RegistryError(code, message);
}

type Lists = Pick<
  Registry,
  "listTags" | "listReferrers" | "listRepositories" | "suggestTags" | "suggestRepositories"
>;

function guardLists(inner: Registry, guard: Guard, permissions: Permissions): Lists {
  const sees = (repository: RepositoryName) => guard.isPermitted("pull", repository);
  return {
    listTags: (repository, options) =>
      guard.may("pull", repository)
        ? inner.listTags(repository, options)
        : hidden(guard, repository, "NAME_UNKNOWN", `there is no repository ${repository}`),
    // "the registry MUST NOT return a 404 Not Found to a referrers API requests"
    listReferrers: async (repository, digest, options) => {
      if (guard.may("pull", repository)) return inner.listReferrers(repository, digest, options);
      if (guard.couldGetIn("pull", repository)) throw guard.refusal("pull", repository);
      return { items: [] };
    },
    listRepositories: async (options = {}) => {
      guard.checkListing();
      return listReadable(inner, sees, readablePrefixes(permissions), options);
    },
    suggestTags: async (repository, missing) =>
      sees(repository) ? inner.suggestTags(repository, missing) : [],
    suggestRepositories: async (missing) => (await inner.suggestRepositories(missing)).filter(sees),
  };
}

/** How many names are read at once where only some of them may be shown. */
const readAhead = 1000;
const mostListed = 10_000;

/** Reads only below the given beginnings. `next` is never the name of something hidden. */
async function listReadable(
  inner: Registry,
  sees: (repository: RepositoryName) => boolean,
  prefixes: readonly string[],
  options: PageOptions,
): Promise<Page<RepositoryName>> {
  const limit = Math.min(options.limit ?? mostListed, mostListed);
  if (limit === 0) return { items: [] };
  const found: RepositoryName[] = [];
  for (const prefix of prefixes) {
    let after: string | undefined = laterOf(options.after ?? "", justBefore(prefix));
    while (after !== undefined) {
      const page: Page<RepositoryName> = await inner.listRepositories({
        ...options,
        after,
        limit: readAhead,
      });
      for (const name of page.items) {
        if (name.startsWith(prefix) && sees(name)) found.push(name);
        if (found.length > limit) return pageOf(found, limit);
      }
      const last = page.items.at(-1);
      after = last !== undefined && isBelow(prefix, last) ? page.next : undefined;
    }
  }
  return { items: found };
}

function pageOf(found: readonly RepositoryName[], limit: number): Page<RepositoryName> {
  const items = found.slice(0, limit);
  const next = items.at(-1);
  return next === undefined ? { items } : { items, next };
}

/** A text that every name with this beginning follows, and few others. */
function justBefore(prefix: string): string {
  return prefix.slice(0, -1);
}

function laterOf(a: string, b: string): string {
  return a > b ? a : b;
}

/** Whether names that follow may still have this beginning. */
function isBelow(prefix: string, name: string): boolean {
  return name <= prefix || name.startsWith(prefix);
}

type Writers = Omit<Registry, keyof Readers | keyof Lists>;

function guardWriters(inner: Registry, guard: Guard): Writers {
  /** Does it, or refuses. */
  const when = <T>(action: Action, repository: RepositoryName, act: () => Promise<T>): Promise<T> =>
    guard.may(action, repository) ? act() : Promise.reject(guard.refusal(action, repository));
  return {
    putBlob: (repository, expected, body, options) =>
      when("push", repository, () => inner.putBlob(repository, expected, body, options)),
    // Who may not push gets no blob linked, and learns nothing: HEAD asks for this too.
    mountBlob: async (repository, digest, options = {}) => {
      if (!guard.may("push", repository)) return undefined;
      const mayRead = (name: RepositoryName) =>
        guard.isPermitted("pull", name) && options.mayRead?.(name) !== false;
      return inner.mountBlob(repository, digest, { ...options, mayRead });
    },
    deleteBlob: (repository, digest, options) =>
      when("delete", repository, () => inner.deleteBlob(repository, digest, options)),
    startUpload: (repository, options) =>
      when("push", repository, () => inner.startUpload(repository, options)),
    getUpload: (repository, id, options) =>
      when("push", repository, () => inner.getUpload(repository, id, options)),
    appendUpload: (repository, id, body, options) =>
      when("push", repository, () => inner.appendUpload(repository, id, body, options)),
    finishUpload: (repository, id, digest, options) =>
      when("push", repository, () => inner.finishUpload(repository, id, digest, options)),
    cancelUpload: (repository, id, options) =>
      when("push", repository, () => inner.cancelUpload(repository, id, options)),
    putManifest: (repository, input, options) =>
      when("push", repository, async () => {
        if (input.tags.length === 0 || guard.isPermitted("overwrite", repository))
          return inner.putManifest(repository, input, options);
        await refuseMoves(inner, guard, repository, input); // says why; the store itself sees to it that none slips in
        return inner.putManifest(repository, { ...input, onlyNewTags: true }, options);
      }),
    deleteManifest: (repository, digest, options) =>
      when("delete", repository, () => inner.deleteManifest(repository, digest, options)),
    deleteTag: (repository, tag, options) =>
      when("delete", repository, () => inner.deleteTag(repository, tag, options)),
  };
}

/** @throws RegistryError DENIED when a tag is there and points at something else */
async function refuseMoves(
  inner: Registry,
  guard: Guard,
  repository: RepositoryName,
  { bytes, digest, tags }: ManifestInput,
): Promise<void> {
  const wanted = digest ?? digestOf(bytes, "sha256");
  for (const tag of tags) {
    const present = await presentDigest(inner, repository, tag);
    if (present === undefined || present === wanted) continue;
    const { message } = guard.refusal("overwrite", repository);
    throw new RegistryError("DENIED", `${message}. Tag ${tag} is there already: push a new one`);
  }
}

async function presentDigest(
  inner: Registry,
  repository: RepositoryName,
  tag: Tag,
): Promise<Digest | undefined> {
  try {
    return (await inner.resolveTag(repository, tag)).digest;
  } catch (error) {
    if (isRegistryError(error, "MANIFEST_UNKNOWN", "NAME_UNKNOWN")) return undefined;
    throw error;
  }
}
