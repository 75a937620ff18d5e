import type { Digest } from "../../oci/digests.ts";
import { isRegistryError, RegistryError } from "../../oci/errors.ts";
import { maxManifestSize } from "../../oci/manifests.ts";
import { parseTag, type RepositoryName, type Tag } from "../../oci/names.ts";
import type { Registry, StoredManifest } from "../../registry/registry.ts";
import type { Context } from "../context.ts";
import { emptyResponse, isNotModified, warningHeader } from "../responses.ts";
import { readBody } from "./bodies.ts";
import { latestTag } from "./latest-fallback.ts";

/** The most `tag` parameters of one request. "SHOULD support pushing at least 10 tags per request" */
const maxTags = 100;
/** Characters of `OCI-Tag`, but for the tags that were asked for. */
const maxTagHeader = 8 * 1024;

/** GET and HEAD by digest: the answer never changes. */
export async function getManifest(
  context: Context,
  repository: RepositoryName,
  digest: Digest,
): Promise<Response> {
  const stored = await context.registry.getManifest(repository, digest).catch(async (error) => {
    throw isRegistryError(error, "NAME_UNKNOWN")
      ? await withNearRepositories(error, context.registry, repository)
      : error;
  });
  return sendManifest(context, stored, "public, max-age=31536000, immutable");
}

/** GET and HEAD by tag: to be asked for again each time. */
export async function getTag(context: Context, repository: RepositoryName, tag: Tag): Promise<Response> {
  const { registry, latestOf } = context;
  let warning: string | undefined;
  const stored = await registry.getTag(repository, tag).catch(async (error) => {
    const highest =
      tag === latestTag && isRegistryError(error, "MANIFEST_UNKNOWN") && (await latestOf(repository));
    if (!highest) throw await withSuggestions(error, registry, repository, tag);
    warning = `nobody set ${repository}:latest: this is ${highest}, the highest version`;
    return registry.getTag(repository, highest);
  });
  const response = sendManifest(context, stored, "no-cache");
  if (warning !== undefined) response.headers.set("warning", warningHeader([warning]).warning ?? "");
  return response;
}

function sendManifest({ request }: Context, stored: StoredManifest, cacheControl: string): Response {
  const { descriptor, bytes } = stored;
  const etag = `"${descriptor.digest}"`;
  const headers: Record<string, string> = {
    "content-type": descriptor.mediaType,
    "docker-content-digest": descriptor.digest,
    etag,
    "cache-control": cacheControl,
  };
  if (isNotModified(request, etag)) return new Response(null, { status: 304, headers });
  if (request.method === "HEAD") {
    headers["content-length"] = String(descriptor.size);
    return new Response(null, { headers });
  }
  // Safe: a Uint8Array over an ArrayBuffer; the type leaves room for shared ones.
  return new Response(bytes as Uint8Array<ArrayBuffer>, { headers });
}

/** PUT by tag or by digest, with further tags in the query. */
export async function putManifest(
  context: Context,
  repository: RepositoryName,
  target: { readonly digest: Digest } | { readonly tag: Tag },
): Promise<Response> {
  const { request, query, registry, actor } = context;
  const asked = query.getAll("tag");
  if (asked.length > maxTags) {
    throw new RegistryError("TOO_MANY_TAGS", `the request has ${asked.length} tags, the most is ${maxTags}`);
  }
  const tags = [...new Set([...("tag" in target ? [target.tag] : []), ...asked.map(parseTag)])];
  const input = {
    // "A registry that enforces this limit SHOULD respond to a request to push a manifest over this limit with a
    // response code 413 Payload Too Large"
    bytes: await readBody(request, maxManifestSize, "the manifest"),
    mediaType: request.headers.get("content-type") ?? "",
    tags,
    ...("digest" in target ? { digest: target.digest } : {}),
  };
  const result = await registry.putManifest(repository, input, { actor });
  const { digest } = result.descriptor;
  const headers: Record<string, string> = {
    location: context.publicPath(`/v2/${repository}/manifests/${digest}`),
    "docker-content-digest": digest,
    ...warningHeader(result.warnings),
  };
  // "MUST include an OCI-Tag response header for each accepted tag"; those that a rule moved are told, too.
  if (asked.length > 0 || result.tags.length > tags.length)
    headers["oci-tag"] = tagHeader(result.tags, tags.length);
  // "MUST respond with the response header OCI-Subject: <subject digest>"
  if (result.subject) headers["oci-subject"] = result.subject;
  return emptyResponse(201, headers);
}

/** Clients take 16 KiB of headers: all tags that were asked for are told, others as long as there is room. */
function tagHeader(tags: readonly Tag[], asked: number): string {
  let length = 0;
  const told = tags.filter((tag, at) => {
    length += tag.length + 2;
    return at < asked || length < maxTagHeader;
  });
  return told.join(", ");
}

export async function deleteManifest(
  context: Context,
  repository: RepositoryName,
  target: { readonly digest: Digest } | { readonly tag: Tag },
): Promise<Response> {
  const { registry, actor } = context;
  if ("digest" in target) await registry.deleteManifest(repository, target.digest, { actor });
  else await registry.deleteTag(repository, target.tag, { actor });
  return emptyResponse(202, {});
}

/** Says which tags or repositories could have been meant; clients print only the message. */
async function withSuggestions(
  error: unknown,
  registry: Registry,
  repository: RepositoryName,
  tag: Tag,
): Promise<unknown> {
  if (isRegistryError(error, "NAME_UNKNOWN")) return withNearRepositories(error, registry, repository);
  if (!isRegistryError(error, "MANIFEST_UNKNOWN")) return error;
  const tags = await registry.suggestTags(repository, tag);
  const there = tags.length > 0 ? `it has ${tags.join(", ")}` : "it has no tags";
  return new RegistryError(error.code, `${repository} has no tag ${tag}: ${there}`, {
    detail: { tags },
    cause: error,
  });
}

async function withNearRepositories(
  error: RegistryError,
  registry: Registry,
  repository: RepositoryName,
): Promise<RegistryError> {
  const near = await registry.suggestRepositories(repository);
  const hint = near.length > 0 ? `: did you mean ${near.join(" or ")}?` : "";
  return new RegistryError(error.code, `there is no repository ${repository}${hint}`, {
    detail: { repositories: near },
    cause: error,
  });
}
