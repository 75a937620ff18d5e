/** The methods that the distribution API uses. */
export type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

/** One HTTP request. */
export interface TransportRequest {
  readonly method: Method;
  readonly url: URL;
  /** By names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** A stream is read to its end or cancelled. */
  readonly body?: Uint8Array | ReadableStream<Uint8Array>;
  /** Bytes of a `body` that is a stream, if known: sent as `Content-Length`. */
  readonly size?: number;
  readonly signal?: AbortSignal;
}

/** The answer to one HTTP request. */
export interface TransportResponse {
  readonly status: number;
  /** By names in lower case; values of a header that came more than once are joined by `, `. */
  readonly headers: ReadonlyMap<string, string>;
  /**
   * Read to its end or cancelled by whoever gets it. Fails with a {@link TransportError} when the connection breaks
   * before the announced end, or with the request's `signal.reason`.
   */
  readonly body: ReadableStream<Uint8Array>;
}

/** How requests reach a server: one connection's worth of HTTP, without redirects, retries or credentials. */
export interface Transport {
  /**
   * Resolves when the head of the answer is there. A server may answer before it has read the body, which is then
   * cancelled.
   * @throws TransportError when no answer came; the body's own error; `signal.reason`; RegistryError SIZE_INVALID when
   *   the body has another size than announced
   */
  send(request: TransportRequest): Promise<TransportResponse>;
  /** Closes the connections that wait for further requests. */
  close(): void;
}

/** Options of a transport. In a browser, which has its own settings for these, none may be given. */
export interface TransportOptions {
  /** Files with certificates of authorities (PEM) to trust beside those that the runtime trusts. */
  readonly caFiles?: readonly string[];
  /** Certificates of authorities (PEM) to trust likewise. */
  readonly authorities?: readonly string[];
  /** Trusts whatever certificate a server shows. Not done if absent. */
  readonly acceptAnyCertificate?: boolean;
  /** Proxies to use; those of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY) if absent, `false` for none. */
  readonly proxies?: ProxySettings | false;
  /**
   * The address at which a host is reached directly, whatever its name means here; its certificate still has to be of
   * that name. The system is asked where it is absent or gives `undefined`.
   */
  readonly addressOf?: (hostname: string) => string | undefined;
  /** Most milliseconds until a connection stands; 15,000 if absent. */
  readonly connectTimeoutMs?: number;
  /** Most milliseconds until an answer begins, after the last byte was sent; 300,000 if absent. */
  readonly answerTimeoutMs?: number;
  /** Most milliseconds between two pieces of a body, in either direction; 60,000 if absent. */
  readonly stallTimeoutMs?: number;
}

/** Which proxies to use, in the forms of the usual environment variables. */
export interface ProxySettings {
  /** For `http:` addresses, such as `http://user:password@proxy.example.com:3128`. */
  readonly http?: string;
  /** For `https:` addresses. */
  readonly https?: string;
  /** Hosts that are reached directly: names (with what is below them), addresses, networks, ports; `*` for all. */
  readonly except?: string;
}

/** In which way a transport failed. */
export type TransportFailure =
  | "unknown-host"
  | "refused"
  | "unreachable"
  | "timeout"
  | "reset"
  | "certificate"
  | "no-tls"
  | "wants-tls"
  | "no-http"
  | "proxy"
  | "other";

/** No answer came, or only a part of one. The message has no address but the host's. */
export class TransportError extends Error {
  override readonly name = "TransportError";
  readonly failure: TransportFailure;
  /** Whether the same request can go through a moment later. */
  readonly isTransient: boolean;

  constructor(
    failure: TransportFailure,
    message: string,
    options: { cause?: unknown; isTransient?: boolean } = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.failure = failure;
    this.isTransient = options.isTransient ?? (failure === "reset" || failure === "timeout");
  }
}

/** Whether a host is this machine, by its name or address as it stands in a URL. */
export function isLoopback(hostname: string): boolean {
  const host = hostname.toLowerCase().replace(/\.$/, "");
  return (
    host === "localhost" ||
    host.endsWith(".localhost") ||
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host) ||
    host === "[::1]" ||
    host === "::1"
  );
}
