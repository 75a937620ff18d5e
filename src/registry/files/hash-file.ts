import type { FileHandle } from "node:fs/promises";
import type { Hasher } from "../hash.ts";

const pieceSize = 1024 * 1024;

/** Hashes a file from its beginning to its end. @returns how many bytes there were */
export async function hashFile(
  handle: FileHandle,
  hasher: Hasher,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<number> {
  const buffer = new Uint8Array(pieceSize);
  for (let position = 0; ; ) {
    signal?.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, 0, buffer.byteLength, position);
    if (bytesRead === 0) return position;
    hasher.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
}
