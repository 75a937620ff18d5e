import type { Registry } from "../registry/registry.ts";
import type { LatestFallback } from "./distribution/latest-fallback.ts";

/** Seconds after which a connection on which nothing moves is ended. */
export const idleSeconds = 120;

/** The part of the HTTP server that a request needs. */
export interface Connection {
  /** Sets the idle time in seconds after which the connection is ended; 0 for never. */
  timeout(request: Request, seconds: number): void;
  /** Who is at the other end of the connection. */
  requestIP?(request: Request): { readonly address: string } | null;
}

/** What the handlers of one request share. */
export interface Context {
  readonly request: Request;
  /** The request's query, behind `?`. */
  readonly query: URLSearchParams;
  readonly registry: Registry;
  /** Who asks, for the record. */
  readonly actor: string;
  readonly latestOf: LatestFallback;
  /** For the log, and for the person who reads an error. */
  readonly requestId: string;
  /** The request's body may come slowly: whoever reads it watches over it. */
  allowSlowBody(): void;
  /** The answer's body, of `size` bytes, may be read slowly. */
  allowSlowReader(size: number): void;
  /** A path of this server as the sender of the request has to ask for it. */
  publicPath(path: string): string;
  /** Counts bytes of blobs that came in and go out. */
  count(bytesIn: number, bytesOut: number): void;
}
