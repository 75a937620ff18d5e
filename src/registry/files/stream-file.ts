import { open } from "node:fs/promises";
import type { ByteRange } from "../registry.ts";

/** Bytes of a file that are read at a time. */
const pieceSize = 256 * 1024;

/**
 * Opens a part of a file. Chosen for `#stream-file` by package.json on Bun and Node. Whoever gets the stream reads it to its end or cancels it.
 * @param tooShort the error of a file that ends at a byte, before the part does
 */
export async function streamFile(
  path: string,
  { first, last }: ByteRange,
  tooShort: (at: number) => Error,
): Promise<ReadableStream<Uint8Array>> {
  const file = await open(path);
  let at = first;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        // No reuse: the reader may keep it. Not cleared: no more of it is given than was read.
        const { buffer } = Buffer.allocUnsafeSlow(Math.min(pieceSize, last + 1 - at));
        const piece = new Uint8Array(buffer);
        const { bytesRead } =
          piece.byteLength > 0 ? await file.read(piece, 0, piece.byteLength, at) : { bytesRead: 0 };
        if (bytesRead > 0)
          controller.enqueue(bytesRead === piece.byteLength ? piece : piece.subarray(0, bytesRead));
        else if (at <= last) throw tooShort(at);
        at += bytesRead;
        if (at > last) {
          await file.close();
          controller.close();
        }
      } catch (error) {
        await file.close();
        throw error;
      }
    },
    cancel: () => file.close(),
  });
}
