import type { Descriptor } from "../oci/descriptors.ts";
import { algorithmOf } from "../oci/digests.ts";
import { RegistryError } from "../oci/errors.ts";
import { createHasher, digestOf } from "./hash.ts";
import type { OperationOptions, StoredManifest } from "./registry.ts";

/** Where bytes come from: a stream, or what opens one once the first byte is asked for. */
export type ByteSource = ReadableStream<Uint8Array> | (() => Promise<ReadableStream<Uint8Array>>);

/** Verifies the bytes of one blob as they pass, also when they come in several goes. */
export interface Verifier {
  /**
   * Passes bytes on that are the blob's from `offset` on, 0 if absent. The result fails with SIZE_INVALID or
   * DIGEST_INVALID instead of giving the last bytes, with the source's own error, or with `signal.reason`. Bytes that
   * have passed before are not verified again; the digest is not when `offset` leaves a gap.
   */
  pass(source: ByteSource, offset?: number): ReadableStream<Uint8Array>;
  /** Why the last stream failed, when it did. */
  failure(): unknown;
  /** Gives up the sources that were not read to their end. */
  stop(): void;
}

/** Options of {@link createVerifier}. */
export interface VerifyOptions extends OperationOptions {
  /** Told up to which byte of the blob they have come, after each piece that is new. */
  readonly onBytes?: (bytes: number) => void;
  /** Whether the digest is checked too, and not the size alone; it is if absent. */
  readonly checksDigest?: boolean;
}

/** Begins to verify the blob that `descriptor` describes. */
export function createVerifier(descriptor: Descriptor, options: VerifyOptions = {}): Verifier {
  const { signal } = options;
  const take = createDigestCheck(descriptor, options);
  const open = new Set<SourceReader>();
  let failure: unknown;

  const pass: Verifier["pass"] = (stream, offset = 0) => {
    const source = createSourceReader(stream, signal);
    let position = offset;
    failure = undefined;
    open.add(source);
    const end = (reason?: unknown): void => {
      open.delete(source);
      source.stop(reason);
    };
    const next = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
      const bytes = await source.read();
      take(position, bytes ?? nothing);
      if (bytes) {
        position += bytes.byteLength;
        return controller.enqueue(bytes);
      }
      if (position < descriptor.size) throw wrongSize(descriptor, `${position}`);
      end();
      controller.close();
    };
    const pull = (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> =>
      next(controller).catch((error: unknown) => {
        failure = error;
        end(error);
        throw error;
      });
    return new ReadableStream<Uint8Array>({ pull, cancel: end }, { highWaterMark: 0 });
  };

  return {
    pass,
    failure: () => failure,
    stop: () => {
      for (const source of open) source.stop();
      open.clear();
    },
  };
}

interface SourceReader {
  /** The next bytes, at least one; `undefined` at the end. @throws the source's error; `signal.reason` */
  read(): Promise<Uint8Array | undefined>;
  /** Cancels the source, if it has not ended, and lets go of the signal. */
  stop(reason?: unknown): void;
}

function createSourceReader(source: ByteSource, signal: AbortSignal | undefined): SourceReader {
  let reader = typeof source === "function" ? undefined : readerOf(source);
  let stopped: { readonly reason: unknown } | undefined;
  const stop = (reason?: unknown): void => {
    signal?.removeEventListener("abort", onAbort);
    stopped ??= { reason };
    reader?.cancel(reason).catch(() => {}); // nobody reads it any more
  };
  const open = async (): Promise<ReturnType<typeof readerOf>> => {
    // safe: a source that is not a stream opens one
    const opened = readerOf(await (source as () => Promise<ReadableStream<Uint8Array>>)());
    if (stopped) opened.cancel(stopped.reason).catch(() => {}); // likewise
    return opened;
  };
  const onAbort = (): void => stop(signal?.reason);
  if (signal?.aborted) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });
  return {
    stop,
    async read() {
      reader ??= await open();
      for (;;) {
        const { value, done } = await reader.read();
        signal?.throwIfAborted(); // a cancelled read looks like the end
        if (done) return undefined;
        if (value.byteLength > 0) return value;
      }
    },
  };
}

/** Its type is what bun-types and the types of Node do not agree about. */
function readerOf(stream: ReadableStream<Uint8Array>) {
  return stream.getReader();
}

const nothing = new Uint8Array(0);

/** Checks bytes at a position: that there are not too many, and, once all were seen in order, their digest. */
function createDigestCheck(descriptor: Descriptor, { onBytes, checksDigest = true }: VerifyOptions) {
  const { digest, size } = descriptor;
  const hasher = checksDigest ? createHasher(algorithmOf(digest)) : undefined;
  let hashed = 0;
  let passed = 0;
  let checked = false;
  return (position: number, bytes: Uint8Array): void => {
    const end = position + bytes.byteLength;
    if (end > size) throw wrongSize(descriptor, `more than ${size}`);
    if (position <= hashed && end > hashed) {
      hasher?.update(position === hashed ? bytes : bytes.subarray(hashed - position));
      hashed = end;
    }
    if (end > passed) {
      passed = end;
      onBytes?.(end);
    }
    if (!hasher || hashed < size || checked) return;
    checked = true;
    checkDigest(descriptor, hasher.digest());
  };
}

/**
 * Checks that a manifest is the one that was asked for.
 * @throws RegistryError SIZE_INVALID, DIGEST_INVALID
 */
export function verifyManifest({ bytes }: StoredManifest, expected: Descriptor): void {
  if (bytes.byteLength !== expected.size) throw wrongSize(expected, `${bytes.byteLength}`);
  checkDigest(expected, digestOf(bytes, algorithmOf(expected.digest)));
}

function checkDigest({ digest }: Descriptor, found: string): void {
  if (digest === found) return;
  throw new RegistryError("DIGEST_INVALID", `the source sent other bytes for ${digest}: theirs is ${found}`);
}

function wrongSize({ digest, size }: Descriptor, found: string): RegistryError {
  return new RegistryError("SIZE_INVALID", `the source sent ${found} bytes for ${digest}, which has ${size}`);
}
