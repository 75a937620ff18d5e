import { RegistryError } from "../oci/errors.ts";
import { readBody } from "../registry/streams.ts";
import {
  type Transport,
  TransportError,
  type TransportFailure,
  type TransportOptions,
  type TransportRequest,
  type TransportResponse,
} from "./transport.ts";

/** Headers that a browser sets by itself; to give another `user-agent` would cost a preflight request. */
const ownHeaders = new Set(["user-agent", "content-length", "host"]);

/**
 * A transport over fetch, for browsers. It follows redirects by itself, without credentials to another origin, and
 * sees of other origins' answers only the headers that they expose. A body that is a stream is collected first:
 * browsers send streams over HTTP/2 alone.
 * @throws RegistryError UNSUPPORTED when an option is given: a browser has its own settings for these
 */
export function createTransport(options: TransportOptions = {}): Transport {
  const given = Object.keys(options);
  if (given.length > 0) {
    throw new RegistryError(
      "UNSUPPORTED",
      `a browser decides itself about certificates, proxies and timeouts: leave out ${given.join(", ")}`,
    );
  }
  return { send, close: () => {} };
}

async function send({
  method,
  url,
  headers,
  body,
  size,
  signal,
}: TransportRequest): Promise<TransportResponse> {
  const content = body instanceof ReadableStream ? await collect(body, size, signal) : body;
  const response = await fetch(url, {
    method,
    headers: Object.entries(headers).filter(([name]) => !ownHeaders.has(name)),
    // Safe: a view of an ArrayBuffer; the type leaves room for shared ones, which fetch refuses.
    ...(content === undefined ? {} : { body: content as Uint8Array<ArrayBuffer> | Blob }),
    ...(signal ? { signal } : {}),
    credentials: "omit", // those of the page's own login are not the registry's
  }).catch((error: unknown) => {
    throw explain(error, url, signal, "other");
  });
  return {
    status: response.status,
    headers: new Map(response.headers),
    body: response.body ? checkedBody(response, url, signal) : emptyStream(),
  };
}

async function collect(
  body: ReadableStream<Uint8Array>,
  size: number | undefined,
  signal: AbortSignal | undefined,
): Promise<Blob> {
  // Safe: views of ArrayBuffers; the type leaves room for shared ones, which a Blob refuses.
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  await readBody(body, (piece) => pieces.push(piece as Uint8Array<ArrayBuffer>), { size, signal });
  return new Blob(pieces);
}

function checkedBody(
  response: Response,
  url: URL,
  signal: AbortSignal | undefined,
): ReadableStream<Uint8Array> {
  const reader = response.body?.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { value, done } = (await reader?.read()) ?? { done: true as const, value: undefined };
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          throw explain(error, url, signal, "reset");
        }
      },
      cancel: (reason) => reader?.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

/** Browsers do not tell a page why a request failed. */
function explain(
  error: unknown,
  url: URL,
  signal: AbortSignal | undefined,
  failure: TransportFailure,
): unknown {
  if (signal?.aborted) return signal.reason;
  const found = error instanceof Error ? error.message : String(error);
  const message = `the browser could not reach ${url.host} or may not show its answer (${found})`;
  return new TransportError(failure, message, { cause: error });
}

function emptyStream(): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: (controller) => controller.close() });
}
