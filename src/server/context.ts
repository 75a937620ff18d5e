import type { Registry } from "../registry/registry.ts";

/** What the handlers of one request share. */
export interface Context {
  readonly request: Request;
  /** The request's query, behind `?`. */
  readonly query: URLSearchParams;
  readonly registry: Registry;
  /** For the log, and for the person who reads an error. */
  readonly requestId: string;
  /** Keeps the server from ending the connection while bytes move slowly. */
  allowSlowReader(): void;
  /** Counts bytes of blobs that came in and go out. */
  count(bytesIn: number, bytesOut: number): void;
}
