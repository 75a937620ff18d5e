import { errorTable, isRegistryError, RegistryError } from "../oci/errors.ts";

/** A response with a JSON body. */
export function jsonResponse(
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
  contentType = "application/json",
): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": contentType, ...headers } });
}

/** A response without a body. */
export function emptyResponse(status: number, headers: Record<string, string>): Response {
  return new Response(null, { status, headers: { "content-length": "0", ...headers } });
}

/**
 * Turns an error into a response: the only place that does. What is not a `RegistryError` is a defect: its text stays
 * in the log.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes
 */
export function errorResponse(
  error: unknown,
  requestId: string,
  isHead: boolean,
  refusalHeaders: (error: RegistryError) => Record<string, string> = () => ({}),
): Response {
  const known = isRegistryError(error)
    ? error
    : new RegistryError(
        "INTERNAL",
        `something went wrong inside the registry: its log says what, under ${requestId}`,
      );
  const { status, wire } = errorTable[known.code];
  const headers: Record<string, string> = { "x-request-id": requestId, ...refusalHeaders(known) };
  // "A 429 Too Many Requests response SHOULD include a Retry-After header"
  if (status === 429 || status === 503) headers["retry-after"] = String(retryAfterOf(known.detail) ?? 5);
  if (status === 405) headers.allow = textIn(known.detail, "allow") ?? "GET, HEAD";
  // What is left of a body that was refused would be read as the next request.
  if (status === 413 || status === 408 || status === 507) headers.connection = "close";
  if (known.code === "BLOB_RANGE_INVALID")
    headers["content-range"] = `bytes */${textIn(known.detail, "size") ?? "*"}`;
  if (isHead) return emptyResponse(status, headers);
  return jsonResponse(status, { errors: errorEntries(known, wire) }, headers);
}

/** Seconds, when who throws knows when it will be better. */
function retryAfterOf(detail: unknown): number | undefined {
  const known = typeof detail === "object" && detail !== null && "retryAfter" in detail;
  return known && typeof detail.retryAfter === "number" ? detail.retryAfter : undefined;
}

function textIn(detail: unknown, key: string): string | undefined {
  if (typeof detail !== "object" || detail === null || !Object.hasOwn(detail, key)) return undefined;
  return String((detail as Record<string, unknown>)[key]); // safe: an object that has the key
}

// "it MUST result in one or more MANIFEST_BLOB_UNKNOWN errors": one for each that is missing.
function errorEntries(error: RegistryError, wire: string): unknown[] {
  const { message, detail } = error;
  if (error.code === "MANIFEST_BLOB_UNKNOWN" && Array.isArray(detail)) {
    return detail.map((entry) => ({ code: wire, message, detail: entry }));
  }
  return [{ code: wire, message, ...(detail === undefined ? {} : { detail }) }];
}

/** Whether `If-None-Match` names the entity tag, so that the client has the content already. */
export function isNotModified(request: Request, etag: string): boolean {
  const given = request.headers.get("if-none-match");
  if (given === null) return false;
  return given === "*" || given.split(",").some((part) => part.trim().replace(/^W\//, "") === etag);
}

/** `Warning` headers' value. "MUST specify a warn-code of 299 and a warn-agent of -", at most 4096 bytes in all. */
export function warningHeader(warnings: readonly string[]): Record<string, string> {
  const texts: string[] = [];
  let left = 4096;
  for (const warning of warnings) {
    const plain = warning.replace(/[^\x20-\x7e]/g, "?").replace(/["\\]/g, "'");
    const text = `299 - "${plain.length > 1000 ? `${plain.slice(0, 997)}...` : plain}"`;
    left -= text.length + 2;
    if (left < 0) break;
    texts.push(text);
  }
  return texts.length === 0 ? {} : { warning: texts.join(", ") };
}
