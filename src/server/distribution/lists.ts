import type { Digest } from "../../oci/digests.ts";
import { quote, RegistryError } from "../../oci/errors.ts";
import { mediaTypes } from "../../oci/media-types.ts";
import type { RepositoryName } from "../../oci/names.ts";
import type { PageOptions } from "../../registry/registry.ts";
import type { Context } from "../context.ts";
import { jsonResponse } from "../responses.ts";

/** GET `_catalog`. */
export async function listRepositories(context: Context): Promise<Response> {
  const page = await context.registry.listRepositories(pageOptions(context));
  return jsonResponse(200, { repositories: page.items }, linkHeader(context, "/v2/_catalog", page.next));
}

/** GET `tags/list`. "the tags MUST be in lexical or ASCIIbetical order" */
export async function listTags(context: Context, repository: RepositoryName): Promise<Response> {
  const page = await context.registry.listTags(repository, pageOptions(context));
  return jsonResponse(
    200,
    { name: repository, tags: page.items },
    linkHeader(context, `/v2/${repository}/tags/list`, page.next),
  );
}

/** GET `referrers`. "the registry MUST NOT return a 404 Not Found to a referrers API requests" */
export async function listReferrers(
  context: Context,
  repository: RepositoryName,
  subject: Digest,
): Promise<Response> {
  const artifactType = context.query.get("artifactType");
  const page = await context.registry.listReferrers(repository, subject, {
    ...pageOptions(context),
    ...(artifactType === null ? {} : { artifactType }),
  });
  return jsonResponse(
    200,
    { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: page.items },
    {
      ...linkHeader(context, `/v2/${repository}/referrers/${subject}`, page.next),
      ...(artifactType === null ? {} : { "oci-filters-applied": "artifactType" }),
    },
    mediaTypes.ociIndex,
  );
}

/** `n` and `last`. "When n is zero, this endpoint MUST return an empty list, and MUST NOT include a Link header" */
export function pageOptions({ query }: Context): PageOptions {
  const n = query.get("n");
  const last = query.get("last");
  if (n !== null && !/^[0-9]+$/.test(n)) {
    throw new RegistryError("REQUEST_INVALID", `n is ${quote(n)}, expected a whole number`, {
      detail: { n },
    });
  }
  return {
    ...(n === null ? {} : { limit: Math.min(Number(n), Number.MAX_SAFE_INTEGER) }),
    ...(last === null ? {} : { after: last }),
  };
}

/** "The Link header MUST be set according to RFC 5988 with the Relation Type rel="next"" */
export function linkHeader(
  { query, publicPath }: Context,
  path: string,
  next: string | undefined,
): Record<string, string> {
  if (next === undefined) return {};
  const following = new URLSearchParams(query);
  following.set("last", next);
  return { link: `<${publicPath(path)}?${following}>; rel="next"` };
}
