import type { FileHandle } from "node:fs/promises";
import type { Digest, DigestAlgorithm } from "../../oci/digests.ts";
import { createHasher, type Hasher } from "../hash.ts";

const pieceSize = 1024 * 1024;

/** How a file is read. */
export interface HashFileOptions {
  readonly signal?: AbortSignal | undefined;
  /** Waited for after every piece, of so many bytes: reading can be held back. */
  readonly pace?: (bytes: number) => Promise<void>;
}

/** Hashes a file from its beginning to its end. @returns how many bytes there were */
export async function hashFile(
  handle: FileHandle,
  hasher: Hasher,
  { signal, pace }: HashFileOptions = {},
): Promise<number> {
  const buffer = new Uint8Array(pieceSize);
  for (let position = 0; ; ) {
    signal?.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, 0, buffer.byteLength, position);
    if (bytesRead === 0) return position;
    hasher.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
    await pace?.(bytesRead);
  }
}

/** The digest of an open file, read from its beginning. */
export async function digestOfFile(
  handle: FileHandle,
  algorithm: DigestAlgorithm,
  options: HashFileOptions = {},
): Promise<Digest> {
  const hasher = createHasher(algorithm);
  await hashFile(handle, hasher, options);
  return hasher.digest();
}
