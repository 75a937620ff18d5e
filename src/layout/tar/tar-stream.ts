import { RegistryError } from "../../oci/errors.ts";
import { createEntryAssembler, type TarEntry } from "./entries.ts";
import { blockSize, padded, parseHeader } from "./headers.ts";

/** An entry as it comes by. Its content is there until the next entry is asked for. */
export interface PassingEntry {
  readonly entry: TarEntry;
  /** The content, once; what is not read of it is passed over. */
  content(): AsyncGenerator<Uint8Array>;
}

/**
 * Reads a tar's entries as its bytes come, in pieces of any size.
 * @throws RegistryError MANIFEST_INVALID when it is no tar, damaged, or cut off; what the source throws
 */
export async function* entriesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<PassingEntry> {
  const bytes = createByteReader(pieces);
  const assembler = createEntryAssembler();
  try {
    for (;;) {
      const block = await bytes.read(blockSize);
      // A layer without the mark at its end is a whole one: Go's reader, which docker uses, asks for none.
      const header = block && parseHeader(block);
      if (!header) break;
      const taken = assembler.take(header);
      if ("wants" in taken) {
        const content = await bytes.read(padded(taken.wants));
        if (!content) throw cutOff();
        assembler.takeContent(content.subarray(0, taken.wants));
        continue;
      }
      const { entry } = taken;
      let left = entry.size;
      yield {
        entry,
        async *content() {
          while (left > 0) {
            const piece = await bytes.readSome(left);
            left -= piece.byteLength;
            yield piece;
          }
        },
      };
      await bytes.skip(left + padded(entry.size) - entry.size);
    }
    await bytes.skipRest(); // what verifies the bytes wants to see them all
  } finally {
    await bytes.stop();
  }
}

function createByteReader(pieces: AsyncIterable<Uint8Array>) {
  const source = pieces[Symbol.asyncIterator]();
  let current = new Uint8Array(0);
  /** Whether there is something in `current`. */
  const fill = async (): Promise<boolean> => {
    while (current.byteLength === 0) {
      const { value, done } = await source.next();
      if (done) return false;
      current = new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength); // no memory is shared here
    }
    return true;
  };
  const readSome = async (most: number): Promise<Uint8Array> => {
    if (!(await fill())) throw cutOff();
    const part = current.subarray(0, most);
    current = current.subarray(part.byteLength);
    return part;
  };
  return {
    readSome,
    /** So many bytes; `undefined` when nothing is left. @throws when fewer are */
    async read(size: number): Promise<Uint8Array | undefined> {
      if (!(await fill())) return size === 0 ? new Uint8Array(0) : undefined;
      if (current.byteLength >= size) return readSome(size);
      const whole = new Uint8Array(size);
      for (let at = 0; at < size; ) {
        const part = await readSome(size - at);
        whole.set(part, at);
        at += part.byteLength;
      }
      return whole;
    },
    async skip(size: number): Promise<void> {
      for (let left = size; left > 0; ) left -= (await readSome(left)).byteLength;
    },
    async skipRest(): Promise<void> {
      while (await fill()) current = new Uint8Array(0);
    },
    async stop(): Promise<void> {
      await source.return?.();
    },
  };
}

function cutOff(): RegistryError {
  return new RegistryError("MANIFEST_INVALID", "it is cut off: it ends within an entry");
}
