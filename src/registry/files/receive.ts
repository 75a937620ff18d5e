import { write } from "node:fs";
import { RegistryError } from "../../oci/errors.ts";
import type { Hasher } from "../hash.ts";

/** What a transfer to a file needs to know. */
export interface ReceiveOptions {
  /** Position in the file of the first byte that comes. */
  readonly position: number;
  /** Given every byte in order, once it is handed to the disk; absent when what came before is unknown. */
  readonly hasher?: Hasher | undefined;
  /** Bytes that must come: no more are taken, fewer are an error. */
  readonly size?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The transfer is given up when no byte came for this long; never, if absent. */
  readonly stallMs?: number | undefined;
}

/** Why a transfer ended before its end, and how far it came. */
export interface Received {
  /** Bytes that are in the file, from `position`. */
  readonly size: number;
  /** Why no more came. */
  readonly error?: unknown;
}

const bufferSize = 512 * 1024;
const maxIdleBuffers = 32;
const idleBuffers: Uint8Array[] = [];

/**
 * Writes a stream to a file in large pieces, off the event loop, while the next piece is hashed and filled.
 * Memory: two buffers of 512 KiB a transfer. Never rejects: what arrived before an error is in the file and hashed.
 */
export async function receive(
  fd: number,
  body: ReadableStream<Uint8Array>,
  options: ReceiveOptions,
): Promise<Received> {
  const reader = body.getReader();
  const stop = watch((reason) => reader.cancel(reason), options);
  const out = createFileWriter(fd, options.position, options.hasher);
  const limit = options.size ?? Number.POSITIVE_INFINITY;
  let size = 0;
  let error: unknown;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      stop.touch();
      if (size + value.byteLength > limit) {
        const excess = `more bytes came than the announced ${limit}`;
        error = new RegistryError("SIZE_INVALID", `${excess}: send the upload again with the right length`);
        reader.cancel(error).catch(() => {}); // the reason is already known
        break;
      }
      const pending = out.push(value);
      if (pending) await pending;
      size += value.byteLength;
    }
    if (stop.reason !== undefined) error = stop.reason;
  } catch (cause) {
    error = stop.reason ?? interrupted(size, options.size, cause);
  }
  stop.end();
  try {
    await out.end();
  } catch (cause) {
    error = asStorageError(cause);
    size = 0; // what the disk took of it is unknown: nothing counts
  }
  if (error === undefined && size < limit && limit !== Number.POSITIVE_INFINITY) {
    error = new RegistryError("SIZE_INVALID", `${size} bytes came, ${limit} were announced`);
  }
  return error === undefined ? { size } : { size, error };
}

function interrupted(size: number, announced: number | undefined, cause: unknown): unknown {
  if (isStorageError(cause)) return asStorageError(cause);
  if (cause instanceof RegistryError) return cause;
  const of = announced === undefined ? "" : ` of ${announced}`;
  return new RegistryError(
    "BODY_INCOMPLETE",
    `the upload broke off after ${size}${of} bytes: go on from there`,
    {
      cause,
    },
  );
}

/** Cancels the reader when the signal aborts or when nothing moves. */
function watch(cancelReader: (reason: unknown) => Promise<void>, { signal, stallMs }: ReceiveOptions) {
  const cancel = (reason: unknown): void => {
    state.reason = reason;
    cancelReader(reason).catch(() => {}); // ends the read that waits; the reason is kept
  };
  const stalled = (ms: number): void =>
    cancel(
      new RegistryError("BODY_INCOMPLETE", `no byte came for ${ms / 1000} s: go on from the upload's offset`),
    );
  const timer = stallMs === undefined ? undefined : setTimeout(stalled, stallMs, stallMs);
  const onAbort = (): void => cancel(signal?.reason);
  const state = {
    reason: undefined as unknown,
    touch: () => void timer?.refresh(),
    end: () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    },
  };
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  return state;
}

/** Fills one buffer while the other is on its way to the disk. */
function createFileWriter(fd: number, start: number, hasher: Hasher | undefined) {
  let filling = takeBuffer();
  let spare: Uint8Array | undefined;
  let used = 0;
  let position = start;
  let writing: Promise<void> | undefined;

  const flush = async (): Promise<void> => {
    if (writing) await writing;
    const full = filling;
    const part = used === full.byteLength ? full : full.subarray(0, used);
    filling = spare ?? takeBuffer();
    spare = full;
    used = 0;
    writing = writeAll(fd, part, position);
    writing.catch(() => {}); // whoever awaits it next has the error
    position += part.byteLength;
    hasher?.update(part);
  };

  return {
    /** A promise only when the caller has to wait. */
    push(bytes: Uint8Array): Promise<void> | undefined {
      if (used + bytes.byteLength <= bufferSize) {
        filling.set(bytes, used);
        used += bytes.byteLength;
        return undefined;
      }
      return pushInParts(bytes);
    },
    async end(): Promise<void> {
      try {
        if (used > 0) await flush();
        await writing;
      } finally {
        giveBuffer(filling);
        if (spare) giveBuffer(spare);
      }
    },
  };

  async function pushInParts(bytes: Uint8Array): Promise<void> {
    let at = 0;
    while (at < bytes.byteLength) {
      const part = bytes.subarray(at, at + bufferSize - used);
      filling.set(part, used);
      used += part.byteLength;
      at += part.byteLength;
      if (used === bufferSize) await flush();
    }
  }
}

function writeAll(fd: number, bytes: Uint8Array, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const step = (at: number): void => {
      write(fd, bytes, at, bytes.byteLength - at, position + at, (error, written) => {
        if (error) reject(error);
        else if (at + written < bytes.byteLength) step(at + written);
        else resolve();
      });
    };
    step(0);
  });
}

function takeBuffer(): Uint8Array {
  return idleBuffers.pop() ?? new Uint8Array(bufferSize);
}

function giveBuffer(buffer: Uint8Array): void {
  if (idleBuffers.length < maxIdleBuffers) idleBuffers.push(buffer);
}

const storageErrors = new Set(["ENOSPC", "EDQUOT", "EFBIG", "EIO", "EROFS"]);

function isStorageError(error: unknown): boolean {
  return error instanceof Error && "code" in error && storageErrors.has(String(error.code));
}

/** Turns an error of the disk into one that the sender understands; others are passed on. */
export function asStorageError(error: unknown): unknown {
  if (!isStorageError(error)) return error;
  return new RegistryError(
    "STORAGE_FULL",
    "the registry's disk is full or failing: nothing was stored, free some space and try again",
    { cause: error },
  );
}
