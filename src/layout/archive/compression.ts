import { Readable, type Transform } from "node:stream";
import * as zlib from "node:zlib";
import { RegistryError } from "../../oci/errors.ts";

/** How bytes are compressed, told from how they begin. */
export type Compression = "none" | "gzip" | "zstd" | "bzip2" | "xz";

const magics: readonly (readonly [Compression, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
];

/** How many first bytes {@link compressionOf} wants to see. */
export const magicSize = 6;

/** How bytes that begin with `start` are compressed. */
export function compressionOf(start: Uint8Array): Compression {
  return magics.find(([, magic]) => magic.every((byte, at) => start[at] === byte))?.[0] ?? "none";
}

/** Bytes of what comes out at a time. */
const chunkSize = 256 * 1024;

/**
 * Unpacks bytes as they are read, if they are compressed.
 * @throws RegistryError UNSUPPORTED for bzip2 and xz, and for zstd where the runtime does not know it (Node before
 *   22.15); MANIFEST_INVALID when they are damaged or cut off; the source's own error
 */
export async function* unpacked(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { start, whole } = await peek(body);
  const compression = compressionOf(start);
  if (compression === "none") return yield* whole;
  const unpacker = unpackerOf(compression);
  let sourceError: unknown;
  const source = Readable.from(
    (async function* () {
      try {
        yield* whole;
      } catch (error) {
        sourceError = error;
        throw error;
      }
    })(),
    { objectMode: false, highWaterMark: chunkSize },
  );
  source.once("error", (error) => unpacker.destroy(error));
  source.pipe(unpacker);
  try {
    yield* unpacker;
  } catch (cause) {
    if (sourceError !== undefined) throw sourceError;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RegistryError("MANIFEST_INVALID", `its ${compression} data are damaged or cut off: ${reason}`, {
      cause,
    });
  } finally {
    source.destroy();
    unpacker.destroy();
  }
}

function unpackerOf(compression: Exclude<Compression, "none">): Transform {
  if (compression === "gzip") return zlib.createGunzip({ chunkSize });
  if (compression === "zstd") {
    if ("createZstdDecompress" in zlib) return zlib.createZstdDecompress({ chunkSize });
    throw new RegistryError(
      "UNSUPPORTED",
      "it is compressed with zstd: this needs Bun, or Node 22.15 or newer",
    );
  }
  const program = compression === "xz" ? "xz" : "bzip2";
  throw new RegistryError(
    "UNSUPPORTED",
    `it is compressed with ${compression}: unpack it with ${program} -d first`,
  );
}

/** The first bytes of a body, and the body with them. */
async function peek(
  body: AsyncIterable<Uint8Array>,
): Promise<{ readonly start: Uint8Array; readonly whole: AsyncGenerator<Uint8Array> }> {
  const rest = body[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let size = 0;
  while (size < magicSize) {
    const { value, done } = await rest.next();
    if (done) break;
    first.push(value);
    size += value.byteLength;
  }
  const whole = (async function* () {
    try {
      yield* first;
      for (;;) {
        const { value, done } = await rest.next();
        if (done) return;
        yield value;
      }
    } finally {
      await rest.return?.();
    }
  })();
  return { start: Buffer.concat(first), whole };
}
