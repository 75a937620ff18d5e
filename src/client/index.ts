/** Clients of remote registries. */

export { createTransport } from "#transport";
export { type Client, type ClientOptions, createClient } from "./client.ts";
export type { CredentialSource, Credentials } from "./credentials.ts";
export type { RetryPolicy } from "./retries.ts";
export {
  type ProxySettings,
  type Transport,
  TransportError,
  type TransportFailure,
  type TransportOptions,
  type TransportRequest,
  type TransportResponse,
} from "./transport.ts";
