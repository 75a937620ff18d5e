import type { PutBlobOptions } from "../registry/registry.ts";

/** The bytes of a blob that is being pushed, to be had again when a transfer broke. */
export interface PushSource {
  /**
   * The bytes from `offset` on; `undefined` when they cannot be had any more. What was given before is not read on.
   */
  from(offset: number): Promise<ReadableStream<Uint8Array> | undefined>;
  /** How many bytes there are, once their end was read. */
  readonly size: number | undefined;
  /** Gives the bytes up. */
  cancel(reason: unknown): void;
}

/**
 * How many bytes are kept of a body that cannot be read again. It has to be more than what is under way: what the two
 * ends' sockets hold, a few MiB at most.
 */
const windowSize = 8 * 1024 * 1024;

/** A source over a body, and over what `reopen` gives if the caller can read the blob again. */
export function createSource(
  body: ReadableStream<Uint8Array>,
  size: number | undefined,
  { reopen, signal }: PutBlobOptions,
): PushSource {
  if (!reopen) return createWindow(body, windowSize);
  let current: ReadableStream<Uint8Array> | undefined = body;
  let end = size;
  let isFirst = true;
  return {
    get size() {
      return end;
    },
    async from(offset) {
      const stream = isFirst && offset === 0 ? body : await reopen(offset, signal ? { signal } : {});
      if (isFirst && stream !== body) cancelQuietly(body, undefined);
      isFirst = false;
      let passed = offset;
      current = mapStream(
        stream,
        (piece) => {
          passed += piece.byteLength;
          return piece;
        },
        () => {
          end ??= passed;
        },
      );
      return current;
    },
    cancel(reason) {
      if (current) cancelQuietly(current, reason);
    },
  };
}

/** A source over a body that can be read only once: its last bytes are kept. */
export function createWindow(body: ReadableStream<Uint8Array>, limit: number): PushSource {
  const reader = body.getReader();
  const kept: Uint8Array[] = [];
  let start = 0;
  let end = 0;
  let isEnded = false;
  let reading: Promise<void> | undefined;

  const readMore = async (): Promise<void> => {
    const { value, done } = await reader.read();
    if (done) {
      isEnded = true;
      return;
    }
    kept.push(value);
    end += value.byteLength;
    // The piece that reaches across the limit stays.
    for (let first = kept[0]; first && end - start - first.byteLength >= limit; first = kept[0]) {
      kept.shift();
      start += first.byteLength;
    }
  };

  const pieceAt = (offset: number): Uint8Array | undefined => {
    let at = start;
    for (const piece of kept) {
      if (offset < at + piece.byteLength) return piece.subarray(offset - at);
      at += piece.byteLength;
    }
    return undefined;
  };

  return {
    get size() {
      return isEnded ? end : undefined;
    },
    async from(offset) {
      if (offset < start || offset > end) return undefined;
      let at = offset;
      return new ReadableStream<Uint8Array>(
        {
          async pull(controller) {
            while (at === end && !isEnded) {
              // A stream that was given up may have begun the reading.
              reading ??= readMore().finally(() => {
                reading = undefined;
              });
              await reading;
            }
            const piece = pieceAt(at);
            if (!piece) return controller.close();
            at += piece.byteLength;
            controller.enqueue(piece);
          },
        },
        { highWaterMark: 0 },
      );
    },
    cancel(reason) {
      reader.cancel(reason).catch(() => {}); // `reason` says more
    },
  };
}

/** A stream whose pieces go through `map` when they are asked for. */
export function mapStream(
  body: ReadableStream<Uint8Array>,
  map: (piece: Uint8Array) => Uint8Array,
  onEnd: () => void = () => {},
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { value, done } = await reader.read();
        if (!done) return controller.enqueue(map(value));
        onEnd();
        controller.close();
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

function cancelQuietly(stream: ReadableStream<Uint8Array>, reason: unknown): void {
  if (stream.locked) return; // whoever reads it has given it up already
  stream.cancel(reason).catch(() => {}); // `reason` says more
}
