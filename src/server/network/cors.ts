import type { Connection } from "../context.ts";

/** Answers one request. */
export type Handle = (request: Request, connection: Connection) => Promise<Response>;

const methods = "GET, HEAD, POST, PUT, PATCH, DELETE";
/** What a client of the registry reads in answers; a browser shows a page of another origin nothing else. */
const exposed = [
  "accept-ranges",
  "allow",
  "content-length",
  "content-range",
  "docker-content-digest",
  "docker-distribution-api-version",
  "docker-upload-uuid",
  "etag",
  "link",
  "location",
  "oci-chunk-min-length",
  "oci-filters-applied",
  "oci-subject",
  "oci-tag",
  "range",
  "retry-after",
  "upload-offset",
  "warning",
  "www-authenticate",
  "x-request-id",
].join(", ");
/** Seconds for which a browser need not ask again. */
const remembered = "7200";

/**
 * Lets pages of other origins use this server from a browser. Cookies stay out of it: such a page shows credentials of
 * its own, so that nobody is made to do something by visiting it. https://fetch.spec.whatwg.org/#http-cors-protocol
 * @param origins such as `https://ui.example.com`, or `*` for all; none leaves `handle` as it is
 */
export function allowOrigins(handle: Handle, origins: readonly string[]): Handle {
  if (origins.length === 0) return handle;
  const isAllowed = (origin: string): boolean => origins.includes("*") || origins.includes(origin);
  return async (request, connection) => {
    const origin = request.headers.get("origin");
    const allowed = origin !== null && isAllowed(origin) ? origin : undefined;
    const isPreflight = request.method === "OPTIONS" && request.headers.has("access-control-request-method");
    const response =
      allowed !== undefined && isPreflight ? preflight(request) : await handle(request, connection);
    response.headers.append("vary", "Origin");
    if (allowed === undefined) return response;
    response.headers.set("access-control-allow-origin", allowed);
    response.headers.set("access-control-expose-headers", exposed);
    return response;
  };
}

function preflight(request: Request): Response {
  return new Response(null, {
    status: 204,
    headers: {
      "access-control-allow-methods": methods,
      "access-control-allow-headers": request.headers.get("access-control-request-headers") ?? "",
      "access-control-max-age": remembered,
    },
  });
}
