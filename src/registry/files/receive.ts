import { fdatasync, writev } from "node:fs";
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
  /** See `BodyOptions` of the contract. */
  readonly isHandedOver?: boolean | undefined;
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

/** Bytes that are written in one go, about. */
const batchSize = 512 * 1024;
/** Bytes that are written before the disk is told to begin with them. */
const earlySync = 8 * 1024 * 1024;
/** The most pieces of one go, so that tiny ones do not gather: a system call takes 1024. */
const maxPieces = 512;

/**
 * Writes a stream to a file in large batches, off the event loop, while the batch is hashed and the next one gathers.
 * The disk begins with what was written while more comes: else it would stand still until the end, and who waits for
 * the bytes to be durable would wait for all of them.
 * Memory: two batches of 512 KiB a transfer. Never rejects: what arrived before an error is in the file and hashed.
 */
export async function receive(
  fd: number,
  body: ReadableStream<Uint8Array>,
  options: ReceiveOptions,
): Promise<Received> {
  const reader = body.getReader();
  const stop = watch((reason) => reader.cancel(reason), options);
  const out = createFileWriter(fd, options);
  const limit = options.size ?? Number.POSITIVE_INFINITY;
  let size = 0;
  let error: unknown;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      stop.touch();
      const { byteLength } = value; // before it is written, and given back, perhaps
      if (size + byteLength > limit) {
        const excess = `more bytes came than the announced ${limit}`;
        error = new RegistryError("SIZE_INVALID", `${excess}: send the upload again with the right length`);
        reader.cancel(error).catch(() => {}); // the reason is already known
        break;
      }
      const pending = out.push(value);
      if (pending) await pending;
      size += byteLength;
    }
    if (stop.reason !== undefined) error = stop.reason;
  } catch (cause) {
    error = stop.reason ?? interrupted(size, options.size, cause);
  }
  stop.end();
  reader.releaseLock(); // what is left of the body is its owner's
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

/** Why a body ended before its end, as an error that tells its sender what to do. `size`: bytes that had come. */
export function interrupted(size: number, announced: number | undefined, cause: unknown): unknown {
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

/** Gathers pieces while those before them are on their way to the disk; nothing is copied. */
function createFileWriter(
  fd: number,
  { position: start, size = Number.POSITIVE_INFINITY, hasher, isHandedOver }: ReceiveOptions,
) {
  const end = start + size;
  let syncing: Promise<void> | undefined;
  let unsynced = 0;
  let pieces: Uint8Array[] = [];
  let gathered = 0;
  let position = start;
  let writing: Promise<void> | undefined;

  /** One at a time: what is written meanwhile goes with the next, and the last of it with whoever makes it all durable. */
  const syncSome = (): void => {
    if (syncing || unsynced < earlySync || end - position < earlySync) return;
    unsynced = 0;
    syncing = syncData(fd).finally(() => {
      syncing = undefined;
    });
    syncing.catch(() => {}); // the sync at the end tells
  };

  const flush = async (): Promise<void> => {
    if (writing) await writing;
    syncSome();
    const batch = pieces;
    writing = writeAll(fd, batch, position);
    if (isHandedOver) writing = writing.then(() => giveBack(batch));
    writing.catch(() => {}); // whoever awaits it next has the error
    position += gathered;
    unsynced += gathered;
    pieces = [];
    gathered = 0;
    if (hasher) for (const piece of batch) hasher.update(piece);
  };

  return {
    /** A promise only when the caller has to wait. Takes the bytes over. */
    push(bytes: Uint8Array): Promise<void> | undefined {
      pieces.push(bytes);
      gathered += bytes.byteLength;
      return gathered >= batchSize || pieces.length >= maxPieces ? flush() : undefined;
    },
    async end(): Promise<void> {
      try {
        if (gathered > 0) await flush();
        await writing;
      } finally {
        await syncing?.catch(() => {}); // the sync at the end tells
      }
    },
  };
}

/** Frees the memory of pieces at once: at full speed it would fill faster than it is collected. */
function giveBack(pieces: readonly Uint8Array[]): void {
  for (const { buffer, byteLength } of pieces) {
    // Others may look at the same memory through a larger buffer. Node 20 has no `transfer`.
    if (buffer.byteLength === byteLength && "transfer" in buffer) buffer.transfer(0);
  }
}

function syncData(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fdatasync(fd, (error) => (error ? reject(error) : resolve())));
}

function writeAll(fd: number, pieces: readonly Uint8Array[], position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const step = (rest: readonly Uint8Array[], at: number): void => {
      writev(fd, rest, at, (error, written) => {
        if (error) return reject(error);
        const left = dropBytes(rest, written);
        if (left.length > 0) step(left, at + written);
        else resolve();
      });
    };
    step(pieces, position);
  });
}

/** What is left of pieces without their first `count` bytes. */
function dropBytes(pieces: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let at = 0;
  let left = count;
  for (const piece of pieces) {
    if (left < piece.byteLength) return [piece.subarray(left), ...pieces.slice(at + 1)];
    left -= piece.byteLength;
    at++;
  }
  return [];
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
