import { type ErrorCode, errorCodeOf, errorTable, quote, RegistryError } from "../oci/errors.ts";
import type { Answer, ExchangeError } from "./exchanges.ts";
import { retryAfterOf } from "./retries.ts";

/** What was tried, for the messages of errors. */
export interface Attempt {
  /** Such as `push blob sha256:... to localhost:5000/gallery/ui`: stands behind "cannot". */
  readonly action: string;
  /** The code of an answer 404 that names none. */
  readonly notFound: ErrorCode;
  /** Takes `notFound` whatever the answer names. */
  readonly isAlwaysNotFound?: boolean | undefined;
  /** Takes secrets out of what a server says. */
  readonly redact: (text: string) => string;
  /** What to do when the server does not know who asks. */
  readonly loginAdvice: () => string;
  /** Whether no credentials are at hand. */
  readonly isAnonymous: () => boolean;
}

interface WireError {
  readonly code: string | undefined;
  readonly message: string;
  readonly detail: unknown;
}

/** The most characters of a server's own words that are passed on. */
const maxMessage = 2000;

/** Turns an answer that tells of an error back into the error. */
export function failureOf(answer: Answer, attempt: Attempt): RegistryError {
  const { status } = answer;
  const body = attempt.redact(new TextDecoder().decode(answer.bytes));
  const errors = wireErrorsOf(body);
  const wire = errors[0]?.code;
  const isKnown = wire !== undefined && Object.hasOwn(errorTable, wire);
  const code =
    status === 404 && (!isKnown || attempt.isAlwaysNotFound) ? attempt.notFound : errorCodeOf(status, wire);
  const detail = detailOf(code, errors);
  const said = [...new Set(errors.map(({ message }) => message)), missingIn(detail, errors)]
    .filter(Boolean)
    .join("; ");
  const named = wire === undefined ? `${status}` : `${status} ${printable(wire)}`;
  const found = said
    ? `${printable(said).slice(0, maxMessage)} (${named})`
    : `${answer.url.host} answered ${named}${describeBody(answer, body)}`;
  const text = `cannot ${attempt.action}: ${found}${adviceFor(answer, attempt)}${triedTimes(answer.attempts)}`;
  return new RegistryError(code, text, detail === undefined ? {} : { detail });
}

// https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes; token servers may answer
// `details` or `error_description`, https://www.rfc-editor.org/rfc/rfc6749#section-5.2
function wireErrorsOf(body: string): readonly WireError[] {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return []; // not every error comes from a registry
  }
  if (typeof value !== "object" || value === null) return [];
  if ("errors" in value && Array.isArray(value.errors)) return value.errors.flatMap(wireErrorOf);
  if ("error" in value && typeof value.error === "string") {
    const described = "error_description" in value ? value.error_description : undefined;
    return [
      {
        code: undefined,
        message: typeof described === "string" ? described : value.error,
        detail: undefined,
      },
    ];
  }
  return wireErrorOf(value);
}

function wireErrorOf(value: unknown): readonly WireError[] {
  if (typeof value !== "object" || value === null) return [];
  const { code, message, detail, details }: Partial<Record<string, unknown>> = { ...value };
  const text = typeof message === "string" && message ? message : typeof details === "string" ? details : "";
  if (typeof code !== "string" && !text) return [];
  return [{ code: typeof code === "string" ? code : undefined, message: text, detail }];
}

// `detail` of MANIFEST_BLOB_UNKNOWN lists what is missing, of which there is one error each.
function detailOf(code: ErrorCode, errors: readonly WireError[]): unknown {
  if (code !== "MANIFEST_BLOB_UNKNOWN") return errors[0]?.detail ?? undefined;
  return errors
    .filter((error) => error.code === "MANIFEST_BLOB_UNKNOWN")
    .flatMap(({ detail }) => (typeof detail === "string" ? [{ digest: detail }] : detail ? [detail] : []));
}

/** The digests of what a registry misses, as far as its own words do not name them. */
function missingIn(detail: unknown, errors: readonly WireError[]): string {
  if (!Array.isArray(detail)) return "";
  const digests = detail.flatMap((item: unknown) =>
    typeof item === "object" && item !== null && "digest" in item && typeof item.digest === "string"
      ? [item.digest]
      : [],
  );
  return digests.filter((digest) => !errors.some(({ message }) => message.includes(digest))).join(", ");
}

function describeBody({ headers }: Answer, body: string): string {
  const type = headers.get("content-type") ?? "";
  // As Go's servers and nginx say it.
  if (/HTTP request (was sent )?to (an )?HTTPS (server|port)/i.test(body))
    return ": it wants HTTPS, and plain HTTP was sent: use HTTPS";
  if (type.startsWith("text/html")) return " with a web page: is a registry there?";
  const text = type.startsWith("text/plain") ? body.trim() : "";
  return text ? `: ${quote(text)}` : "";
}

function adviceFor({ status, headers }: Answer, { loginAdvice, isAnonymous }: Attempt): string {
  if (status === 401) return `: ${loginAdvice()}`;
  if (status === 403) return isAnonymous() ? ": log in, if that lets you" : "";
  if (status === 413) return ": it, or a proxy before it, takes no body of this size";
  if (status !== 429) return "";
  const waitMs = retryAfterOf(headers.get("retry-after"));
  const when = waitMs === undefined ? "later" : `in ${Math.ceil(waitMs / 1000)} s`;
  return `: it allows no more requests for now, try again ${when}, or log in if its limit is higher then`;
}

/** Turns a failure of the connection into an error that says what to do. */
export function unreachable(error: ExchangeError, { action }: Pick<Attempt, "action">): RegistryError {
  const { cause, url, attempts } = error;
  const text = `cannot ${action}: ${describeFailure(error, url)}${triedTimes(attempts)}`;
  return new RegistryError("UNAVAILABLE", text, { cause });
}

function describeFailure({ cause: { failure, message } }: ExchangeError, url: URL): string {
  const { host } = url;
  const why = printable(message);
  const isPlain = url.protocol === "http:";
  switch (failure) {
    case "unknown-host":
      return `no host ${quote(url.hostname)} can be found (${why}): check the name, and the network`;
    case "refused":
      return `${host} refuses connections: check the name and the port, and that the registry runs`;
    case "unreachable":
      return `${host} cannot be reached from here (${why}): check the network`;
    case "timeout":
      return `${host} is too slow (${why}): check the network, then try again`;
    case "reset":
      return `the connection to ${host} broke (${why}): try again`;
    case "certificate":
      return (
        `the certificate of ${host} is not trusted (${why}): give the file of the authority that signed it as an ` +
        "extra CA, or use a name that it is made out to"
      );
    case "no-tls":
      return `${host} does not speak HTTPS (${why}): if it is meant to speak plain HTTP, allow that for it`;
    case "wants-tls":
      return `${host} wants HTTPS, and plain HTTP was sent: use HTTPS`;
    case "no-http":
      return isPlain
        ? `${host} does not answer in plain HTTP (${why}): use HTTPS if it speaks that`
        : `${host} does not answer in HTTP (${why}): is a registry there?`;
    case "proxy":
      return `${why}: check HTTP_PROXY, HTTPS_PROXY and NO_PROXY`;
    case "other":
      return `${host}: ${why}`;
  }
}

function triedTimes(attempts: number): string {
  return attempts > 1 ? ` (tried ${attempts} times)` : "";
}

/** A server's text without what a terminal would act on. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu, " ").trim();
}
