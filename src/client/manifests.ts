import { algorithmOf, type Digest, isDigest } from "../oci/digests.ts";
import { isRegistryError, RegistryError } from "../oci/errors.ts";
import { parseManifest } from "../oci/manifests.ts";
import { bareMediaType } from "../oci/media-types.ts";
import { isTag, type RepositoryName, type Tag } from "../oci/names.ts";
import { deleteScope, pushScope } from "../oci/scopes.ts";
import { digestOf } from "../registry/hash.ts";
import type {
  ManifestInput,
  ManifestReader,
  ManifestWriter,
  OperationOptions,
  PutManifestResult,
} from "../registry/registry.ts";
import { checkStored } from "./digest-headers.ts";
import type { Answer } from "./exchanges.ts";
import { fetchManifest, resolveReference } from "./manifest-reads.ts";
import type { Referrers } from "./referrers.ts";
import type { Remote } from "./remote.ts";
import { parseWarnings } from "./warnings.ts";

/** Manifests of a remote registry. */
export function createManifests(remote: Remote, referrers: Referrers): ManifestReader & ManifestWriter {
  return {
    getManifest: (repository, digest, options) => fetchManifest(remote, repository, digest, options),
    resolveManifest: (repository, digest, options) => resolveReference(remote, repository, digest, options),

    async putManifest(repository, input, options) {
      const digest = checkedDigest(input);
      const sent = await putByReferences(remote, repository, { ...input, digest }, options);
      const subject = subjectOf(input.bytes);
      // "When pushing a manifest with the subject field and the OCI-Subject header was not set, the client MUST ..."
      if (subject && !sent.knowsSubject) {
        await referrers.addToFallback(repository, subject, { ...input, digest }, options);
      }
      return {
        descriptor: sent.descriptor,
        tags: sent.tags,
        warnings: sent.warnings,
        ...(subject ? { subject } : {}),
      };
    },

    async deleteManifest(repository, digest, options) {
      const subject = await referrers.findFallbackSubject(repository, digest, options);
      await remote.ask(
        {
          method: "DELETE",
          to: `${repository}/manifests/${digest}`,
          scopes: [deleteScope(repository)],
          action: `delete manifest ${digest} of ${remote.nameOf(repository)}`,
          accept: [200, 202, 204],
          notFound: "MANIFEST_UNKNOWN",
          isDoneWhenGone: true,
        },
        options,
      );
      if (subject) await referrers.removeFromFallback(repository, subject, digest, options);
    },
  };
}

/** @throws RegistryError DIGEST_INVALID when the bytes have another digest than announced */
function checkedDigest({ bytes, digest }: ManifestInput): Digest {
  const found = digestOf(bytes, digest && algorithmOf(digest));
  if (digest === undefined || digest === found) return found;
  throw new RegistryError("DIGEST_INVALID", `the manifest's bytes have the digest ${found}, not ${digest}`);
}

interface SentManifest extends Omit<PutManifestResult, "subject"> {
  readonly knowsSubject: boolean;
}

async function putByReferences(
  remote: Remote,
  repository: RepositoryName,
  input: ManifestInput & { readonly digest: Digest },
  options: OperationOptions | undefined,
): Promise<SentManifest> {
  const { bytes, digest, tags } = input;
  const mediaType = bareMediaType(input.mediaType) || ownMediaType(bytes);
  const put = (reference: Tag | Digest, query: string): Promise<Answer> =>
    remote.ask(
      {
        method: "PUT",
        to: `${repository}/manifests/${reference}${query}`,
        headers: { "content-type": mediaType },
        body: bytes,
        scopes: [pushScope(repository)],
        action: `push manifest ${isDigest(reference) && tags.length > 0 ? tags.join(", ") : reference} to ${remote.nameOf(repository)}`,
        accept: [200, 201, 202],
      },
      options,
    );
  const [tag] = tags;
  // By tag a registry takes the digest to be sha256.
  const byTag = tags.length === 1 && tag !== undefined && algorithmOf(digest) === "sha256";
  const first = byTag ? await put(tag, "") : await put(digest, queryOf(tags));
  const answers = [first];
  const accepted = acceptedTags(first);
  if (!byTag && accepted.length === 0) {
    for (const each of tags) answers.push(await put(each, ""));
  }
  for (const answer of answers) checkStored(remote, digest, answer);
  return {
    descriptor: { mediaType, digest, size: bytes.byteLength },
    tags: accepted.length > 0 ? accepted : tags,
    warnings: [...new Set(answers.flatMap(({ headers }) => parseWarnings(headers.get("warning"))))],
    knowsSubject: first.headers.has("oci-subject"),
  };
}

function queryOf(tags: readonly Tag[]): string {
  return tags.length > 0 ? `?${tags.map((tag) => `tag=${tag}`).join("&")}` : "";
}

// "MUST include an OCI-Tag response header for each accepted tag": without one, the registry passed over `?tag=`.
function acceptedTags({ headers }: Answer): readonly Tag[] {
  const names = (headers.get("oci-tag") ?? "").split(",").map((name) => name.trim());
  return names.filter(isTag);
}

// "If a manifest includes a mediaType field, clients MUST set the Content-Type header to the value specified by the
// mediaType field."
function ownMediaType(bytes: Uint8Array): string {
  return parseManifest(bytes, "").mediaType;
}

/** The subject that a manifest names; that of what is no manifest is for the registry to judge. */
function subjectOf(bytes: Uint8Array): Digest | undefined {
  try {
    return parseManifest(bytes, "").subject?.digest;
  } catch (error) {
    if (isRegistryError(error)) return undefined;
    throw error;
  }
}
