import http, { type ClientRequest, type IncomingMessage } from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import { RegistryError } from "../oci/errors.ts";
import { type Agents, createAgents, proxyRefusal } from "./agents.ts";
import { answersTls } from "./tls-probe.ts";
import {
  type Transport,
  TransportError,
  type TransportOptions,
  type TransportRequest,
  type TransportResponse,
} from "./transport.ts";
import { transportErrorOf } from "./transport-failures.ts";

/** Bytes of an answer that are held for a reader that is slower than the network. */
const readAhead = 256 * 1024;

/**
 * A transport over node:http, for Bun and Node. Fetch is not used: Node's copies each piece of a body and holds a
 * whole upload in memory, Bun's may leave out its length; and neither takes proxies and authorities alike.
 * @throws RegistryError UNSUPPORTED when a file of certificates cannot be read
 */
export function createTransport(options: TransportOptions = {}): Transport {
  const agents = createAgents(options);
  // Whoever answered plain HTTP once speaks it.
  const speakPlain = new Set<string>();
  return {
    close: agents.close,
    async send(request) {
      const { url } = request;
      try {
        const response = await send(agents, options, request);
        if (url.protocol === "http:") speakPlain.add(url.origin);
        return response;
      } catch (error) {
        const isUnclear = error instanceof TransportError && error.failure === "reset";
        const mayWantTls = isUnclear && url.protocol === "http:" && !speakPlain.has(url.origin);
        if (!mayWantTls || agents.isProxied(url) || !(await answersTls(url))) throw error;
        throw new TransportError("wants-tls", error.message, { cause: error });
      }
    },
  };
}

async function send(
  agents: Agents,
  options: TransportOptions,
  request: TransportRequest,
): Promise<TransportResponse> {
  const { signal, body } = request;
  const giveUp = (error: unknown): never => {
    if (body instanceof ReadableStream) body.cancel(error).catch(() => {}); // `error` says more
    throw error;
  };
  if (signal?.aborted) return giveUp(signal.reason);
  let outgoing: ClientRequest;
  try {
    outgoing = begin(agents, request);
  } catch (error) {
    return giveUp(error);
  }
  return new Promise((resolve, reject) => {
    let ownReason: TransportError | undefined; // what destroys a request is not told to an answer that has begun
    const destroy = (reason: TransportError): void => {
      ownReason ??= reason;
      outgoing.destroy(reason);
    };
    const watch = createWatch((what, limitMs) => {
      destroy(new TransportError("timeout", `${what} for ${limitMs / 1000} s`));
    }, options);
    const onAbort = (): void => {
      const reason = new TransportError("other", "aborted");
      if (pump.isRunning()) pump.breakOff(reason);
      else destroy(reason);
    };
    const explain = (error: unknown): unknown => {
      if (signal?.aborted) return signal.reason;
      return pump.failure() ?? ownReason ?? transportErrorOf(error);
    };
    outgoing.on("socket", (socket) => {
      if (!socket.connecting) return watch.connected();
      socket.once(request.url.protocol === "https:" ? "secureConnect" : "connect", watch.connected);
    });
    outgoing.on("error", (error) => {
      pump.stop(error);
      reject(explain(error));
    });
    outgoing.on("close", () => {
      watch.stop();
      signal?.removeEventListener("abort", onAbort);
      pump.stop(new TransportError("reset", "the connection was closed"));
      reject(explain(new TransportError("reset", "the connection was closed before an answer came")));
    });
    outgoing.on("response", (message) => {
      if (message.statusCode === 407) return destroy(proxyRefusal(undefined, 407));
      if (pump.failure() !== undefined) return void outgoing.destroy();
      // A server that answers before it has all will not read the rest, and the connection is of no further use.
      if (pump.isRunning()) {
        pump.stop(new TransportError("reset", "the server answered before it had the whole body"));
        message.once("end", () => outgoing.destroy());
      }
      resolve(responseOf(message, watch, explain));
    });
    const pump = createPump(outgoing, request, watch);
    signal?.addEventListener("abort", onAbort, { once: true });
    pump.start();
  });
}

function begin(agents: Agents, { method, url, headers, body, size }: TransportRequest): ClientRequest {
  const { options, protocol } = agents.routeTo(url);
  const length = body instanceof Uint8Array ? body.byteLength : body ? size : undefined;
  // "the post request MUST include the following header: Content-Length: 0"
  const isEmpty = body === undefined && (method === "POST" || method === "PUT" || method === "PATCH");
  const module = protocol === "https:" ? https : http;
  return module.request({
    ...options,
    method,
    headers: {
      ...options.headers,
      ...headers,
      ...(length !== undefined ? { "content-length": String(length) } : {}),
      ...(isEmpty ? { "content-length": "0" } : {}),
    },
  });
}

/** Timeouts of one exchange. Our own: a socket's would also count the time that our side takes. */
interface Watch {
  connected(): void;
  /** A piece of the request went out, or none is at hand. */
  sending(isWaitingForNetwork: boolean): void;
  sent(): void;
  /** A piece of the answer came, or the reader has enough for now. */
  receiving(isWaitingForNetwork: boolean): void;
  stop(): void;
}

function createWatch(
  onTimeout: (what: string, limitMs: number) => void,
  { connectTimeoutMs = 15_000, answerTimeoutMs = 300_000, stallTimeoutMs = 60_000 }: TransportOptions,
): Watch {
  let timer: NodeJS.Timeout | undefined;
  let set = "";
  let phase: "connecting" | "sending" | "receiving" = "connecting";
  const start = (what: string, limitMs: number): void => {
    if (timer && set === what) return void timer.refresh();
    clearTimeout(timer);
    set = what;
    timer = setTimeout(onTimeout, limitMs, what, limitMs);
  };
  const stop = (): void => {
    clearTimeout(timer);
    timer = undefined;
  };
  start("no connection was made", connectTimeoutMs);
  return {
    connected() {
      if (phase !== "connecting") return;
      phase = "sending";
      start("nothing could be sent", stallTimeoutMs);
    },
    sending(isWaiting) {
      if (phase !== "sending") return;
      if (isWaiting) start("nothing could be sent", stallTimeoutMs);
      else stop();
    },
    sent() {
      if (phase === "sending") start("no answer came", answerTimeoutMs);
    },
    receiving(isWaiting) {
      phase = "receiving";
      if (isWaiting) start("nothing came", stallTimeoutMs);
      else stop();
    },
    stop,
  };
}

/** What bun-types and the types of Node have in common of a stream's reader. */
interface PieceReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
}

/** Sends a request's body. */
interface Pump {
  start(): void;
  isRunning(): boolean;
  /** Gives up the body, because nobody takes it any more. */
  stop(reason: unknown): void;
  /** Gives up the request, but lets the server have what was sent so far: an upload goes on from there. */
  breakOff(reason: unknown): void;
  /** The error of the body itself, when it was that which ended the request. */
  failure(): unknown;
}

function createPump(outgoing: ClientRequest, { body, size }: TransportRequest, watch: Watch): Pump {
  if (!(body instanceof ReadableStream)) {
    return {
      start: () => void outgoing.end(body, watch.sent),
      isRunning: () => false,
      stop: () => {},
      breakOff: () => {},
      failure: () => undefined,
    };
  }
  const reader = body.getReader();
  let isRunning = true;
  let failure: unknown;
  let wake = (): void => {};
  outgoing.on("drain", () => wake());

  const run = async (): Promise<void> => {
    for await (const chunk of checked(reader, size)) {
      if (!isRunning) return;
      watch.sending(true);
      if (!outgoing.write(chunk)) await new Promise<void>((resolve) => (wake = resolve));
      if (!isRunning) return;
      watch.sending(false);
    }
    if (!isRunning) return;
    isRunning = false;
    outgoing.end(watch.sent);
  };
  const stop = (reason: unknown): void => {
    if (!isRunning) return;
    isRunning = false;
    reader.cancel(reason).catch(() => {}); // nobody reads it any more
    wake();
  };
  const breakOff = (reason: unknown): void => {
    if (!isRunning) return;
    failure = reason;
    stop(reason);
    endConnection(outgoing);
  };
  return {
    start: () => void run().catch(breakOff),
    isRunning: () => isRunning,
    stop,
    breakOff,
    failure: () => failure,
  };
}

/** How long a server may take to notice that no more comes. */
const endTimeoutMs = 1000;

/** Ends a connection in the middle of a request, behind what was written to it. */
function endConnection(outgoing: ClientRequest): void {
  const timer = setTimeout(() => outgoing.destroy(), endTimeoutMs);
  outgoing.once("close", () => clearTimeout(timer));
  // In a moment: what was written a moment ago is not yet with the socket.
  const end = (socket: Socket): void => void setImmediate(() => socket.end());
  if (outgoing.socket) end(outgoing.socket);
  else outgoing.once("socket", end);
}

/**
 * The pieces of a body. The one that completes its size is given after the body has ended, so that a server never has
 * a whole body of which the sender knows that it is wrong.
 */
async function* checked(reader: PieceReader, size = Number.POSITIVE_INFINITY): AsyncGenerator<Uint8Array> {
  let taken = 0;
  let held: Uint8Array | undefined;
  for (;;) {
    const { value, done } = await reader.read();
    if (done || !value) break;
    if (value.byteLength === 0) continue;
    taken += value.byteLength;
    if (taken > size) throw wrongSize(`more bytes came than the ${size} that were announced`);
    if (taken < size) yield value;
    else held = value;
  }
  if (taken < size && size !== Number.POSITIVE_INFINITY) {
    throw wrongSize(`${taken} bytes came, ${size} were announced`);
  }
  if (held) yield held;
}

function wrongSize(message: string): RegistryError {
  return new RegistryError("SIZE_INVALID", message);
}

function responseOf(
  message: IncomingMessage,
  watch: Watch,
  explain: (error: unknown) => unknown,
): TransportResponse {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(message.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
  return { status: message.statusCode ?? 0, headers, body: bodyOf(message, watch, explain) };
}

function bodyOf(
  message: IncomingMessage,
  watch: Watch,
  explain: (error: unknown) => unknown,
): ReadableStream<Uint8Array> {
  let ended = false;
  const end = (act: () => void): void => {
    if (ended) return;
    ended = true;
    watch.stop();
    act();
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        watch.receiving(true);
        message.on("data", (chunk: Buffer) => {
          if (ended) return;
          // A plain view: a Buffer's `slice` does not copy, which a reader may rely on.
          controller.enqueue(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
          const isFull = (controller.desiredSize ?? 0) <= 0;
          if (isFull) message.pause();
          watch.receiving(!isFull);
        });
        message.on("end", () => end(() => controller.close()));
        message.on("error", (error) => end(() => controller.error(explain(error))));
        message.on("close", () => {
          end(() =>
            controller.error(explain(new TransportError("reset", "the connection broke in the answer"))),
          );
        });
        message.pause();
      },
      pull() {
        watch.receiving(true);
        message.resume();
      },
      cancel() {
        end(() => message.destroy());
      },
    },
    { highWaterMark: readAhead, size: (chunk) => chunk?.byteLength ?? 0 },
  );
}
