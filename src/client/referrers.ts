import type { Descriptor } from "../oci/descriptors.ts";
import { algorithmOf, type Digest, encodedOf } from "../oci/digests.ts";
import { isRegistryError, RegistryError } from "../oci/errors.ts";
import { isIndex, parseDescriptor, parseManifest, referrerDescriptor } from "../oci/manifests.ts";
import { mediaTypes } from "../oci/media-types.ts";
import { parseTag, type RepositoryName, type Tag } from "../oci/names.ts";
import { deleteScope, pullScope, pushScope } from "../oci/scopes.ts";
import { pageOf } from "../registry/paging.ts";
import type {
  OperationOptions,
  ReferrerLister,
  ReferrerOptions,
  StoredManifest,
} from "../registry/registry.ts";
import type { Answer } from "./exchanges.ts";
import { listOf, listPage } from "./lists.ts";
import { fetchManifest } from "./manifest-reads.ts";
import type { Remote } from "./remote.ts";

/** A manifest that refers to another. */
interface Referrer {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly digest: Digest;
}

/**
 * Referrers of a remote registry, also of one without the referrers API: there they are listed in an index under a tag
 * that is made from the subject's digest, and kept by the clients.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#referrers-tag-schema
 *
 * Two clients that change the same index at the same moment can lose one of the changes: registries have no way to
 * prevent it. Within one client, changes come one after the other. Indexes that were replaced stay until the registry
 * collects what is untagged.
 */
export interface Referrers extends ReferrerLister {
  addToFallback(
    repository: RepositoryName,
    subject: Digest,
    referrer: Referrer,
    options?: OperationOptions,
  ): Promise<void>;
  /** The subject of a manifest that is about to be deleted, when it is listed under a fallback tag. */
  findFallbackSubject(
    repository: RepositoryName,
    digest: Digest,
    options?: OperationOptions,
  ): Promise<Digest | undefined>;
  removeFromFallback(
    repository: RepositoryName,
    subject: Digest,
    digest: Digest,
    options?: OperationOptions,
  ): Promise<void>;
}

/** Answers of registries that do not know the referrers API. */
const noReferrers = [404, 405, 501];

export function createReferrers(remote: Remote): Referrers {
  const inOrder = createSequence();
  /** Repositories of which an answer has shown that the registry keeps their referrers. */
  const known = new Set<RepositoryName>();

  const ask = async (repository: RepositoryName, to: URL, options: OperationOptions): Promise<Answer> => {
    const answer = await remote.ask(
      {
        method: "GET",
        to,
        headers: { accept: mediaTypes.ociIndex },
        scopes: [pullScope(repository)],
        action: `list referrers in ${remote.nameOf(repository)}`,
        accept: [200, ...noReferrers],
      },
      options,
    );
    if (answer.status === 200) known.add(repository);
    return answer;
  };

  const list = async (
    repository: RepositoryName,
    subject: Digest,
    options: ReferrerOptions,
  ): Promise<"unsupported" | Awaited<ReturnType<ReferrerLister["listReferrers"]>>> => {
    const { artifactType } = options;
    const endpoint = remote.urlOf(`${repository}/referrers/${subject}`);
    if (artifactType !== undefined) endpoint.searchParams.set("artifactType", artifactType);
    let isUnsupported = false;
    const page = await listPage({
      endpoint,
      options,
      ask: (to) => ask(repository, to, options),
      itemsOf(answer) {
        isUnsupported = answer.status !== 200;
        return isUnsupported ? [] : ofType(descriptorsOf(answer), artifactType);
      },
      keyOf: ({ digest }) => digest,
    });
    return isUnsupported ? "unsupported" : page;
  };

  const change = async (
    repository: RepositoryName,
    subject: Digest,
    edit: (found: readonly Descriptor[]) => readonly Descriptor[],
    options: OperationOptions | undefined,
  ): Promise<void> =>
    inOrder(`${repository}@${subject}`, async () => {
      const tag = fallbackTag(subject);
      const before = await fallbackIndex(remote, repository, subject, options);
      const found = before?.manifests ?? [];
      const after = edit(found);
      if (after === found) return;
      if (after.length === 0 && before && (await deleteIndex(remote, repository, before.stored, options)))
        return;
      const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: after };
      await remote.ask(
        {
          method: "PUT",
          to: `${repository}/manifests/${tag}`,
          headers: { "content-type": mediaTypes.ociIndex },
          body: new TextEncoder().encode(JSON.stringify(index)),
          scopes: [pushScope(repository)],
          action: `update the list of referrers of ${subject} in ${remote.nameOf(repository)}`,
          accept: [200, 201, 202],
        },
        options,
      );
    });

  return {
    async listReferrers(repository, digest, options = {}) {
      const page = options.limit === 0 ? { items: [] } : await list(repository, digest, options);
      if (page !== "unsupported") return page;
      // "If the referrers API returns a 404, the client MUST fallback to pulling the referrers tag schema."
      const index = await fallbackIndex(remote, repository, digest, options).catch((error: unknown) => {
        // "if ... the tag schema does not return a valid image index, the client SHOULD assume there are no referrers"
        if (isRegistryError(error, "MANIFEST_INVALID")) return undefined;
        throw error;
      });
      return pageOf(ofType(index?.manifests ?? [], options.artifactType), (item) => item.digest, options);
    },

    addToFallback(repository, subject, { bytes, mediaType, digest }, options) {
      const manifest = parseManifest(bytes, mediaType);
      const added = referrerDescriptor(manifest, digest, bytes.byteLength);
      return change(
        repository,
        subject,
        (found) => (found.some((item) => item.digest === digest) ? found : [...found, added]),
        options,
      );
    },

    async findFallbackSubject(repository, digest, options = {}) {
      if (known.has(repository)) return undefined;
      const subject = await subjectOf(remote, repository, digest, options);
      if (!subject) return undefined;
      const answer = await ask(repository, remote.urlOf(`${repository}/referrers/${subject}`), options);
      return answer.status === 200 ? undefined : subject;
    },

    removeFromFallback(repository, subject, digest, options) {
      const without = (found: readonly Descriptor[]) =>
        found.some((item) => item.digest === digest) ? found.filter((item) => item.digest !== digest) : found;
      return change(repository, subject, without, options);
    },
  };
}

async function subjectOf(
  remote: Remote,
  repository: RepositoryName,
  digest: Digest,
  options: OperationOptions,
): Promise<Digest | undefined> {
  try {
    const { bytes, descriptor } = await fetchManifest(remote, repository, digest, options);
    return parseManifest(bytes, descriptor.mediaType).subject?.digest;
  } catch (error) {
    // What is not there or no manifest has no subject; whether it can be deleted is for the registry to say.
    if (isRegistryError(error) && !["UNAVAILABLE", "UNAUTHORIZED", "TOOMANYREQUESTS"].includes(error.code)) {
      return undefined;
    }
    throw error;
  }
}

// "The Truncated Algorithm ... MUST match the digest's algorithm section truncated to 32 characters. The Truncated
// Encoded section ... MUST match the digest's encoded section truncated to 64 characters."
export function fallbackTag(subject: Digest): Tag {
  return parseTag(`${algorithmOf(subject).slice(0, 32)}-${encodedOf(subject).slice(0, 64)}`);
}

interface FallbackIndex {
  readonly stored: StoredManifest;
  readonly manifests: readonly Descriptor[];
}

async function fallbackIndex(
  remote: Remote,
  repository: RepositoryName,
  subject: Digest,
  options: OperationOptions | undefined,
): Promise<FallbackIndex | undefined> {
  const tag = fallbackTag(subject);
  let stored: StoredManifest;
  try {
    stored = await fetchManifest(remote, repository, tag, options);
  } catch (error) {
    if (isRegistryError(error, "MANIFEST_UNKNOWN", "NAME_UNKNOWN")) return undefined;
    throw error;
  }
  const manifest = parseManifest(stored.bytes, stored.descriptor.mediaType);
  if (isIndex(manifest)) return { stored, manifests: manifest.manifests };
  // "If that pull returns a manifest other than the expected image index, the client SHOULD report a failure"
  throw new RegistryError(
    "MANIFEST_INVALID",
    `tag ${tag} of ${remote.nameOf(repository)} should list the referrers of ${subject}, but is no index: ` +
      "give what stands there another tag",
  );
}

/** Deletes an index that lists nothing any more. Resolves to whether the registry deletes at all. */
async function deleteIndex(
  remote: Remote,
  repository: RepositoryName,
  { descriptor }: StoredManifest,
  options: OperationOptions | undefined,
): Promise<boolean> {
  const answer = await remote.ask(
    {
      method: "DELETE",
      to: `${repository}/manifests/${descriptor.digest}`,
      scopes: [deleteScope(repository)],
      action: `delete the empty list of referrers ${descriptor.digest} in ${remote.nameOf(repository)}`,
      accept: [200, 202, 204, 400, 404, 405],
    },
    options,
  );
  return answer.status < 400;
}

function descriptorsOf(answer: Answer): readonly Descriptor[] {
  return listOf(answer, "manifests").map((item, at) => parseDescriptor(item, `manifests[${at}]`));
}

/** The registry may have filtered already, which changes nothing. */
function ofType(items: readonly Descriptor[], artifactType: string | undefined): readonly Descriptor[] {
  return artifactType === undefined ? items : items.filter((item) => item.artifactType === artifactType);
}

/** Runs tasks with the same key one after the other. */
function createSequence(): (key: string, task: () => Promise<void>) => Promise<void> {
  const ends = new Map<string, Promise<void>>();
  return (key, task) => {
    const run = (ends.get(key) ?? Promise.resolve()).then(task);
    const end = run
      .catch(() => {}) // told to whoever began it
      .finally(() => {
        if (ends.get(key) === end) ends.delete(key);
      });
    ends.set(key, end);
    return run;
  };
}
