import { TransportError, type TransportFailure } from "./transport.ts";

const failures: Readonly<Record<string, TransportFailure>> = {
  ENOTFOUND: "unknown-host",
  EAI_AGAIN: "unknown-host",
  ECONNREFUSED: "refused",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  EHOSTDOWN: "unreachable",
  ETIMEDOUT: "timeout",
  ECONNRESET: "reset",
  ECONNABORTED: "reset",
  EPIPE: "reset",
  ERR_STREAM_PREMATURE_CLOSE: "reset",
  ERR_TLS_CERT_ALTNAME_INVALID: "certificate",
  DEPTH_ZERO_SELF_SIGNED_CERT: "certificate",
  SELF_SIGNED_CERT_IN_CHAIN: "certificate",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "certificate",
  UNABLE_TO_GET_ISSUER_CERT: "certificate",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "certificate",
  ERR_SSL_WRONG_VERSION_NUMBER: "no-tls",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "no-tls",
  ERR_SSL_HTTP_REQUEST: "no-tls",
};

/** What a runtime's error about a connection means. Errors that are TransportErrors stay as they are. */
export function transportErrorOf(error: unknown): TransportError {
  if (error instanceof TransportError) return error;
  // When a host has several addresses, one error for each comes in a list.
  const first = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error;
  const message = (first instanceof Error && first.message) || String(first);
  const code = codeOf(first) ?? codeOf(error) ?? "";
  const failure = failures[code] ?? failureOf(code, message);
  const isTransient = failure === "reset" || failure === "timeout" || code === "EAI_AGAIN";
  return new TransportError(failure, message, { cause: error, isTransient });
}

function failureOf(code: string, message: string): TransportFailure {
  if (code.startsWith("CERT_")) return "certificate";
  if (code.startsWith("HPE_")) return "no-http";
  if (/wrong version number|packet length too long|http request/i.test(message)) return "no-tls";
  return "other";
}

function codeOf(error: unknown): string | undefined {
  const hasCode = typeof error === "object" && error !== null && "code" in error;
  return hasCode && typeof error.code === "string" ? error.code : undefined;
}
