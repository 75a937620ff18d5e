import { RegistryError } from "../oci/errors.ts";

/** How much of a body is taken. */
export interface ReadBodyOptions {
  /** Bytes that must come: no more are taken, fewer are an error. */
  readonly size?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a body to its end, or cancels it. What came before an error was given to `take`; of a body that is too long,
 * its first `size` bytes.
 * @throws RegistryError SIZE_INVALID; the body's own error; `signal.reason`; what `take` throws
 */
export async function readBody(
  body: ReadableStream<Uint8Array>,
  take: (chunk: Uint8Array) => void,
  { size = Number.POSITIVE_INFINITY, signal }: ReadBodyOptions = {},
): Promise<void> {
  const reader = body.getReader();
  const cancel = (reason: unknown): void => void reader.cancel(reason).catch(() => {}); // `reason` says more
  const onAbort = (): void => cancel(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  let received = 0;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { value, done } = await reader.read();
      signal?.throwIfAborted(); // a cancelled read looks like the end
      if (done) break;
      const room = size - received;
      if (value.byteLength > room) {
        received = size;
        if (room > 0) take(value.subarray(0, room));
        throw new RegistryError("SIZE_INVALID", `more bytes came than the ${size} that were announced`);
      }
      received += value.byteLength;
      take(value);
    }
  } catch (error) {
    cancel(error);
    throw error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
  if (size !== Number.POSITIVE_INFINITY && received < size) {
    throw new RegistryError("SIZE_INVALID", `${received} bytes came, ${size} were announced`);
  }
}

/** A stream that gives `bytes` in pieces of at most `pieceSize`, each a copy, one when it is asked for. */
export function streamOf(bytes: Uint8Array, pieceSize = 256 * 1024): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const end = Math.min(at + pieceSize, bytes.byteLength);
        if (end > at) controller.enqueue(bytes.slice(at, end));
        at = end;
        if (at === bytes.byteLength) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}

/** Reads a stream whole. Only for what is known to be small. */
export async function bytesOf(
  body: ReadableStream<Uint8Array>,
  options?: ReadBodyOptions,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  await readBody(body, (chunk) => chunks.push(chunk), options);
  return joinChunks(chunks);
}

/** Chunks as one piece, a copy. */
export function joinChunks(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}
