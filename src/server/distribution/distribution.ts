import { RegistryError } from "../../oci/errors.ts";
import type { Context } from "../context.ts";
import { emptyResponse, jsonResponse } from "../responses.ts";
import type { Route, RouteKind } from "../routes.ts";
import * as blobs from "./blobs.ts";
import * as lists from "./lists.ts";
import * as manifests from "./manifests.ts";
import * as uploads from "./uploads.ts";

/** Answers one request of the distribution API. @throws RegistryError */
export function handleRoute(context: Context, route: Route): Promise<Response> | Response {
  const { method } = context.request;
  const reads = method === "GET" || method === "HEAD";
  switch (route.kind) {
    case "tag":
      if (reads) return manifests.getTag(context, route.repository, route.tag);
      if (method === "PUT") return manifests.putManifest(context, route.repository, route);
      if (method === "DELETE") return manifests.deleteManifest(context, route.repository, route);
      break;
    case "manifest":
      if (reads) return manifests.getManifest(context, route.repository, route.digest);
      if (method === "PUT") return manifests.putManifest(context, route.repository, route);
      if (method === "DELETE") return manifests.deleteManifest(context, route.repository, route);
      break;
    case "blob":
      if (method === "HEAD") return blobs.headBlob(context, route.repository, route.digest);
      if (method === "GET") return blobs.getBlob(context, route.repository, route.digest);
      if (method === "DELETE") return blobs.deleteBlob(context, route.repository, route.digest);
      break;
    case "uploads":
      if (method === "POST") return uploads.postUpload(context, route.repository);
      break;
    case "upload":
      if (method === "PATCH") return uploads.patchUpload(context, route.repository, route.id);
      if (method === "PUT") return uploads.putUpload(context, route.repository, route.id);
      if (method === "GET") return uploads.getUpload(context, route.repository, route.id);
      if (method === "DELETE") return uploads.deleteUpload(context, route.repository, route.id);
      break;
    case "tags":
      if (reads) return lists.listTags(context, route.repository);
      break;
    case "referrers":
      if (reads) return lists.listReferrers(context, route.repository, route.digest);
      break;
    case "catalog":
      if (reads) return lists.listRepositories(context);
      break;
    case "base":
      if (method === "HEAD") return emptyResponse(200, baseHeaders);
      if (method === "GET") return jsonResponse(200, {}, baseHeaders);
  }
  const allow = allowed[route.kind];
  throw new RegistryError("UNSUPPORTED", `${method} is not supported for ${route.kind}: use ${allow}`, {
    detail: { allow },
  });
}

// "The origin server MUST generate an Allow header field in a 405 response"
// https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6
const allowed: Readonly<Record<RouteKind, string>> = {
  base: "GET, HEAD",
  catalog: "GET, HEAD",
  tags: "GET, HEAD",
  referrers: "GET, HEAD",
  tag: "GET, HEAD, PUT, DELETE",
  manifest: "GET, HEAD, PUT, DELETE",
  blob: "GET, HEAD, DELETE",
  uploads: "POST",
  upload: "GET, PATCH, PUT, DELETE",
};

const baseHeaders = { "docker-distribution-api-version": "registry/2.0" };
