import { quote, RegistryError } from "../oci/errors.ts";
import type { Scope } from "../oci/scopes.ts";
import { joinChunks } from "../registry/streams.ts";
import { type Challenge, parseChallenges } from "./challenges.ts";
import { delayBefore, isTransientStatus, type RetryPolicy, retryAfterOf, wait } from "./retries.ts";
import {
  isLoopback,
  type Method,
  type Transport,
  TransportError,
  type TransportResponse,
} from "./transport.ts";

/** A request, before credentials, redirects and retries. */
export interface Exchange {
  readonly method: Method;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** With a stream, the request is sent only once, without redirects. */
  readonly body?: Uint8Array | ReadableStream<Uint8Array>;
  /** Bytes of a `body` that is a stream, if known. */
  readonly size?: number;
  /** What it needs to be allowed to do. */
  readonly scopes: readonly Scope[];
  readonly signal?: AbortSignal | undefined;
  /** Sends it only once even if that fails, because it would not mean the same again. */
  readonly isOnce?: boolean;
  /** Leaves the body of a successful answer to be read; else it is read whole, and again if it breaks off. */
  readonly streams?: boolean;
}

/** The answer to an exchange. */
export interface Answer extends Pick<TransportResponse, "status" | "headers"> {
  /** What it says; of an error at most its beginning; nothing if it `streams`. */
  readonly bytes: Uint8Array;
  /** Of a successful answer that `streams`: read to its end or cancelled by whoever asked. */
  readonly body?: ReadableStream<Uint8Array>;
  /** Where it came from, after redirects. */
  readonly url: URL;
  /** How often the request was sent. */
  readonly attempts: number;
}

/** No answer came, or redirects led nowhere. */
export class ExchangeError extends Error {
  override readonly name = "ExchangeError";
  override readonly cause: TransportError;
  /** Which address failed. */
  readonly url: URL;
  readonly attempts: number;

  constructor(cause: TransportError, url: URL, attempts: number) {
    super(cause.message);
    this.cause = cause;
    this.url = url;
    this.attempts = attempts;
  }
}

/** Adds credentials to requests to one origin; no other ever sees them. */
export interface Authorizer {
  readonly origin: string;
  /** `Authorization` for a request, as far as the server's wishes are known. */
  headerFor(scopes: readonly Scope[], signal: AbortSignal | undefined): Promise<string | undefined>;
  /** Takes in what an answer 401 asks for. Resolves to whether it makes sense to send the request again. */
  learn(
    challenges: readonly Challenge[],
    scopes: readonly Scope[],
    sent: string | undefined,
  ): Promise<boolean>;
}

export interface ExchangerOptions {
  readonly transport: Transport;
  readonly policy: RetryPolicy;
  /** Sent with every request. */
  readonly userAgent: string;
  /** Told of every answer. */
  readonly onAnswer?: (response: TransportResponse, url: URL) => void;
}

/** Sends requests until there is an answer to go by, of whatever status. */
export type Exchanger = (exchange: Exchange, authorizer?: Authorizer) => Promise<Answer>;

/** The most bytes of an answer that is read whole: a list of some 100,000 tags has a tenth of it. */
const maxAnswer = 32 * 1024 * 1024;
/** The most bytes that are read of what nobody needs or of an error. */
const maxErrorAnswer = 64 * 1024;
const maxRedirects = 10;
/** To ask for a token, and once more when it turned out to be too old or to allow too little. */
const maxChallenges = 2;

/** The exchanger rejects with an ExchangeError, the body's own error, what credentials led to, or `signal.reason`. */
export function createExchanger({ transport, policy, userAgent, onAnswer }: ExchangerOptions): Exchanger {
  // An address that answered before and refuses now is being started again.
  const answered = new Set<string>();

  return async (exchange, authorizer) => {
    const isRepeatable = !exchange.isOnce && !(exchange.body instanceof ReadableStream);
    for (let attempt = 1; ; attempt++) {
      const outcome = await once(exchange, authorizer, attempt);
      const delayMs = isRepeatable ? delayAfter(outcome, attempt) : undefined;
      if (delayMs === undefined) {
        if (outcome instanceof ExchangeError) throw outcome;
        return outcome;
      }
      await wait(delayMs, exchange.signal);
    }
  };

  function delayAfter(outcome: Answer | ExchangeError, attempt: number): number | undefined {
    if (outcome instanceof ExchangeError) {
      const { cause, url } = outcome;
      const isTransient = cause.isTransient || (cause.failure === "refused" && answered.has(url.origin));
      return isTransient ? delayBefore(policy, attempt, undefined) : undefined;
    }
    if (!isTransientStatus(outcome.status)) return undefined;
    return delayBefore(policy, attempt, retryAfterOf(outcome.headers.get("retry-after")));
  }

  async function once(
    exchange: Exchange,
    authorizer: Authorizer | undefined,
    attempts: number,
  ): Promise<Answer | ExchangeError> {
    let { url } = exchange;
    try {
      for (let redirects = 0; ; redirects++) {
        const response = await authorized(exchange, url, authorizer);
        const location = redirectOf(response, exchange, url);
        if (!location) return await answerOf(response, exchange, url, attempts);
        await readSome(response.body);
        if (redirects === maxRedirects)
          throw new TransportError("other", `it redirects more than ${redirects} times`);
        url = location;
      }
    } catch (error) {
      exchange.signal?.throwIfAborted();
      if (error instanceof TransportError) return new ExchangeError(error, url, attempts);
      throw error;
    }
  }

  async function authorized(
    { method, headers, body, size, scopes, signal }: Exchange,
    url: URL,
    authorizer: Authorizer | undefined,
  ): Promise<TransportResponse> {
    const own = authorizer?.origin === url.origin ? authorizer : undefined;
    for (let challenges = 0; ; challenges++) {
      const authorization = await own?.headerFor(scopes, signal);
      const response = await transport.send({
        method,
        url,
        headers: { "user-agent": userAgent, ...headers, ...(authorization ? { authorization } : {}) },
        ...(body === undefined ? {} : { body }),
        ...(size === undefined ? {} : { size }),
        ...(signal === undefined ? {} : { signal }),
      });
      answered.add(url.origin);
      onAnswer?.(response, url);
      if (!own || response.status !== 401) return response;
      const offered = parseChallenges(response.headers.get("www-authenticate") ?? "");
      const makesSense = await own.learn(offered, scopes, authorization);
      if (!makesSense || challenges === maxChallenges || body instanceof ReadableStream) return response;
      await readSome(response.body);
    }
  }
}

async function answerOf(
  { status, headers, body }: TransportResponse,
  { streams }: Exchange,
  url: URL,
  attempts: number,
): Promise<Answer> {
  const isSuccess = status >= 200 && status < 300;
  if (isSuccess && streams) return { status, headers, body, bytes: new Uint8Array(), url, attempts };
  const bytes = isSuccess ? await readWhole(body) : await readSome(body);
  return { status, headers, bytes, url, attempts };
}

function redirectOf(response: TransportResponse, { method, body }: Exchange, url: URL): URL | undefined {
  const location = response.headers.get("location");
  if (location === undefined) return undefined;
  const keepsMethod = response.status === 307 || response.status === 308;
  const isRead = method === "GET" || method === "HEAD";
  if (!keepsMethod && !(isRead && [301, 302, 303].includes(response.status))) return undefined;
  return body instanceof ReadableStream ? undefined : resolveLocation(location, url);
}

/**
 * The address that a `Location` means. A registry behind a proxy that ends TLS may not know that it is reached by
 * HTTPS, so on the same host HTTPS stays HTTPS.
 * @throws TransportError when it leads from HTTPS to another host's plain HTTP, or elsewhere than to HTTP
 */
export function resolveLocation(location: string, base: URL): URL {
  if (!URL.canParse(location, base.href)) {
    throw new TransportError("other", `it redirects to ${quote(location)}, which is not an address`);
  }
  const url = new URL(location, base);
  url.username = "";
  url.password = "";
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TransportError("other", `it redirects to an address of the kind ${quote(url.protocol)}`);
  }
  if (base.protocol === "https:" && url.protocol === "http:" && !isLoopback(url.hostname)) {
    if (url.hostname !== base.hostname) {
      throw new TransportError(
        "other",
        `it redirects from HTTPS to plain HTTP at ${url.host}, which is not followed`,
      );
    }
    url.protocol = "https:";
    url.port = base.port;
  }
  return url;
}

async function readWhole(body: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const { bytes, isWhole } = await readUpTo(body, maxAnswer);
  if (isWhole) return bytes;
  throw new RegistryError("SIZE_INVALID", `the answer has more than ${maxAnswer} bytes`);
}

/** Reads what nobody waits for, so that its connection can be used again, or gives it up when it is large or breaks. */
async function readSome(body: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return readUpTo(body, maxErrorAnswer).then(
    ({ bytes }) => bytes,
    () => new Uint8Array(),
  );
}

async function readUpTo(
  body: ReadableStream<Uint8Array>,
  limit: number,
): Promise<{ bytes: Uint8Array; isWhole: boolean }> {
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  for (let size = 0; size <= limit; ) {
    const { value, done } = await reader.read();
    if (done) return { bytes: joinChunks(chunks), isWhole: true };
    size += value.byteLength;
    chunks.push(value);
  }
  reader.cancel().catch(() => {}); // no more is wanted
  return { bytes: joinChunks(chunks).subarray(0, limit), isWhole: false };
}
