import type { Descriptor } from "../oci/descriptors.ts";
import { algorithmOf, type Digest, isDigest } from "../oci/digests.ts";
import { RegistryError } from "../oci/errors.ts";
import { maxManifestSize, parseManifest } from "../oci/manifests.ts";
import { bareMediaType, isSchema1Type, mediaTypes } from "../oci/media-types.ts";
import type { RepositoryName, Tag } from "../oci/names.ts";
import { pullScope } from "../oci/scopes.ts";
import { digestOf } from "../registry/hash.ts";
import type { OperationOptions, StoredManifest } from "../registry/registry.ts";
import { toldDigest } from "./digest-headers.ts";
import type { Answer } from "./exchanges.ts";
import type { Remote } from "./remote.ts";

// "The client SHOULD include an Accept header indicating which manifest content types it supports"
const accept = [
  mediaTypes.ociManifest,
  mediaTypes.ociIndex,
  mediaTypes.dockerManifest,
  mediaTypes.dockerList,
  "application/vnd.oci.artifact.manifest.v1+json",
].join(", ");

const octetStream = "application/octet-stream";
/** What a server calls content of which it does not know more. */
const genericTypes = ["", "application/json", octetStream, "text/plain"];
/** Answers to HEAD of servers that do not know it. */
const noHead = [400, 404, 405, 501];

/** Reads the manifest that a tag or digest stands for, and verifies it. */
export async function fetchManifest(
  remote: Remote,
  repository: RepositoryName,
  reference: Tag | Digest,
  options: OperationOptions = {},
): Promise<StoredManifest> {
  const action = `get manifest ${reference} of ${remote.nameOf(repository)}`;
  const answer = await remote.ask(
    {
      method: "GET",
      to: `${repository}/manifests/${reference}`,
      headers: { accept },
      scopes: [pullScope(repository)],
      action,
      accept: [200],
      notFound: "MANIFEST_UNKNOWN",
    },
    options,
  );
  const { bytes, headers } = answer;
  if (bytes.byteLength > maxManifestSize) {
    throw new RegistryError(
      "MANIFEST_TOO_LARGE",
      `cannot ${action}: it has ${bytes.byteLength} bytes, the most is ${maxManifestSize}`,
    );
  }
  const type = bareMediaType(headers.get("content-type") ?? "");
  if (isSchema1Type(type)) parseManifest(bytes, type); // refuses it: its digest is of a part of its bytes
  const digest = verifiedDigest(answer, reference, action);
  const mediaType = genericTypes.includes(type) ? parseManifest(bytes, type).mediaType : type;
  return { descriptor: { mediaType, digest, size: bytes.byteLength }, bytes };
}

/** The digest that was asked for, or told, or else is computed. */
function verifiedDigest(answer: Answer, reference: Tag | Digest, action: string): Digest {
  const expected = isDigest(reference) ? reference : toldDigest(answer);
  const found = digestOf(answer.bytes, expected && algorithmOf(expected));
  if (expected === undefined || expected === found) return found;
  throw new RegistryError("DIGEST_INVALID", `cannot ${action}: the bytes that came have the digest ${found}`);
}

/** As {@link fetchManifest}, for the descriptor alone: by HEAD, where its answer says enough. */
export async function resolveReference(
  remote: Remote,
  repository: RepositoryName,
  reference: Tag | Digest,
  options: OperationOptions = {},
): Promise<Descriptor> {
  const answer = await remote.ask(
    {
      method: "HEAD",
      to: `${repository}/manifests/${reference}`,
      headers: { accept },
      scopes: [pullScope(repository)],
      action: `find manifest ${reference} of ${remote.nameOf(repository)}`,
      accept: [200, ...noHead],
    },
    options,
  );
  // Where it is not found, only a GET tells whether the repository is there, and what is near.
  return (
    describedBy(answer, reference) ?? (await fetchManifest(remote, repository, reference, options)).descriptor
  );
}

function describedBy(answer: Answer, reference: Tag | Digest): Descriptor | undefined {
  const { status, headers } = answer;
  if (status !== 200) return undefined;
  const mediaType = bareMediaType(headers.get("content-type") ?? "");
  const digest = isDigest(reference) ? reference : toldDigest(answer);
  const length = headers.get("content-length");
  if (genericTypes.includes(mediaType) || isSchema1Type(mediaType) || !digest) return undefined;
  return length !== undefined && /^\d+$/.test(length)
    ? { mediaType, digest, size: Number(length) }
    : undefined;
}
