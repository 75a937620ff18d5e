/**
 * The one table of errors: what can go wrong in a registry, and how HTTP says it.
 *
 * `status` is the HTTP status, `wire` the code that stands in a response body (the spec allows only its own
 * fourteen codes there), `section` where https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
 * speaks of it.
 */
const table = {
  BLOB_UNKNOWN: { status: 404, wire: "BLOB_UNKNOWN", section: "error-codes" },
  BLOB_UPLOAD_INVALID: { status: 400, wire: "BLOB_UPLOAD_INVALID", section: "error-codes" },
  BLOB_UPLOAD_UNKNOWN: { status: 404, wire: "BLOB_UPLOAD_UNKNOWN", section: "error-codes" },
  DIGEST_INVALID: { status: 400, wire: "DIGEST_INVALID", section: "error-codes" },
  MANIFEST_BLOB_UNKNOWN: { status: 404, wire: "MANIFEST_BLOB_UNKNOWN", section: "push" },
  MANIFEST_INVALID: { status: 400, wire: "MANIFEST_INVALID", section: "error-codes" },
  MANIFEST_UNKNOWN: { status: 404, wire: "MANIFEST_UNKNOWN", section: "pulling-manifests" },
  NAME_INVALID: { status: 400, wire: "NAME_INVALID", section: "error-codes" },
  NAME_UNKNOWN: { status: 404, wire: "NAME_UNKNOWN", section: "error-codes" },
  SIZE_INVALID: { status: 400, wire: "SIZE_INVALID", section: "error-codes" },
  UNAUTHORIZED: { status: 401, wire: "UNAUTHORIZED", section: "error-codes" },
  DENIED: { status: 403, wire: "DENIED", section: "error-codes" },
  UNSUPPORTED: { status: 405, wire: "UNSUPPORTED", section: "content-management" },
  TOOMANYREQUESTS: { status: 429, wire: "TOOMANYREQUESTS", section: "error-codes" },
  /** The bytes of an upload came out of order, or a second request writes to the same upload session. */
  UPLOAD_RANGE_INVALID: { status: 416, wire: "BLOB_UPLOAD_INVALID", section: "pushing-a-blob-in-chunks" },
  /** A byte range of a blob that the blob does not have. */
  BLOB_RANGE_INVALID: { status: 416, wire: "SIZE_INVALID", section: "pulling-blobs" },
  /** A request body over the limit. */
  MANIFEST_TOO_LARGE: { status: 413, wire: "SIZE_INVALID", section: "pushing-manifests" },
  /** A request to the management API that is not as its description says. */
  REQUEST_INVALID: { status: 400, wire: "UNSUPPORTED", section: "error-codes" },
  /** An account, token or grant that is not there; the spec has no word for it. */
  ACCOUNT_UNKNOWN: { status: 404, wire: "ACCOUNT_UNKNOWN", section: "error-codes" },
  /** What is to be made is there already, or must not go. */
  CONFLICT: { status: 409, wire: "CONFLICT", section: "error-codes" },
  /** A tag that a rule of its repository does not let people change so. */
  TAG_PROTECTED: { status: 409, wire: "DENIED", section: "error-codes" },
  TAG_INVALID: { status: 400, wire: "MANIFEST_INVALID", section: "pulling-manifests" },
  /** More `tag` parameters than one request may carry. */
  TOO_MANY_TAGS: { status: 414, wire: "MANIFEST_INVALID", section: "pushing-manifests" },
  /** The sender stopped sending before the announced end. */
  BODY_INCOMPLETE: { status: 408, wire: "BLOB_UPLOAD_INVALID", section: "pushing-blobs" },
  /** No room on the disk; codes of 5xx answers are not the spec's to name. */
  STORAGE_FULL: { status: 507, wire: "STORAGE_FULL", section: "error-codes" },
  UNAVAILABLE: { status: 503, wire: "UNAVAILABLE", section: "error-codes" },
  INTERNAL: { status: 500, wire: "INTERNAL", section: "error-codes" },
} as const;

/** One of the kinds of error that a `Registry` operation can end with. */
export type ErrorCode = keyof typeof table;

/** How HTTP expresses an {@link ErrorCode}. */
export interface ErrorEntry {
  /** HTTP status code. */
  readonly status: number;
  /** The `code` in the response body's `errors` list. */
  readonly wire: string;
  /** Anchor in the distribution specification. */
  readonly section: string;
}

/** The error table, by code. */
export const errorTable: Readonly<Record<ErrorCode, ErrorEntry>> = table;

/** Options of a {@link RegistryError}. */
export interface RegistryErrorOptions {
  /** Anything that can be written as JSON and helps a program; put what a person needs into the message. */
  readonly detail?: unknown;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/** What every `Registry` operation throws when it cannot do what was asked. */
export class RegistryError extends Error {
  override readonly name = "RegistryError";
  /** Which kind of error, stable across versions. */
  readonly code: ErrorCode;
  /** Extra facts for programs; `undefined` when there are none. */
  readonly detail: unknown;

  constructor(code: ErrorCode, message: string, options: RegistryErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.detail = options.detail;
  }
}

/** Whether `error` is a {@link RegistryError}, of one of `codes` if any are given. */
export function isRegistryError(error: unknown, ...codes: readonly ErrorCode[]): error is RegistryError {
  return error instanceof RegistryError && (codes.length === 0 || codes.includes(error.code));
}

/** The codes for answers whose body names none that is known. */
const codeByStatus: Readonly<Record<number, ErrorCode>> = {
  400: "UNSUPPORTED",
  401: "UNAUTHORIZED",
  403: "DENIED",
  404: "NAME_UNKNOWN",
  405: "UNSUPPORTED",
  408: "BODY_INCOMPLETE",
  413: "MANIFEST_TOO_LARGE",
  414: "TOO_MANY_TAGS",
  416: "UPLOAD_RANGE_INVALID",
  429: "TOOMANYREQUESTS",
  502: "UNAVAILABLE",
  503: "UNAVAILABLE",
  504: "UNAVAILABLE",
  507: "STORAGE_FULL",
};

/**
 * The code for an answer with HTTP `status` and body code `wire`, the inverse of {@link errorTable}: first an entry
 * with both, then one with the body's code, then what the status says. Where a status fits several codes (a 404
 * without a body, as HEAD gets), the caller knows better what it asked for.
 */
export function errorCodeOf(status: number, wire: string | undefined): ErrorCode {
  const entries = Object.entries(table) as [ErrorCode, ErrorEntry][]; // safe: the keys of `table` are ErrorCode
  const both = entries.find(([, entry]) => entry.status === status && entry.wire === wire);
  if (both) return both[0];
  if (wire !== undefined && Object.hasOwn(table, wire)) return wire as ErrorCode; // safe: just looked up
  return codeByStatus[status] ?? (status >= 500 ? "INTERNAL" : "UNSUPPORTED");
}

// Control and format characters, line and paragraph separators, halves of a character.
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Escapes what a terminal would act on or not show, as `\u001b`. */
export function printable(text: string): string {
  return text.replace(unprintable, (found) =>
    Array.from({ length: found.length }, (_, at) => `\\u${hex4(found.charCodeAt(at))}`).join(""),
  );
}

function hex4(unit: number): string {
  return unit.toString(16).padStart(4, "0");
}

/** Quotes untrusted text for a message: JSON quoting, cut at 120 characters, and only what is {@link printable}. */
export function quote(text: string): string {
  return printable(JSON.stringify(text.length > 120 ? `${text.slice(0, 117)}...` : text));
}
