import { type FileHandle, open, rename, stat } from "node:fs/promises";
import { algorithmOf, type Digest } from "../../oci/digests.ts";
import { isRegistryError, RegistryError } from "../../oci/errors.ts";
import { errorCode, unlinkIfThere } from "../../registry/files/durable.ts";
import { createHasher } from "../../registry/hash.ts";
import type { Fault } from "../metadata/verification.ts";
import type { Pacer } from "../verify/pacing.ts";

/** What a file has to hold. */
export interface FileContent {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/** How files are copied. */
export interface CopyFileOptions {
  readonly pacer: Pacer;
  readonly signal: AbortSignal;
  /** Told of bytes as they are copied. */
  readonly onBytes: (bytes: number) => void;
}

/** Why a file was not copied: what was read is not what it has to be. */
export type UnfitSource = Pick<Fault, "kind" | "detail">;

const pieceSize = 1024 * 1024;

/**
 * Copies a file and verifies it on the way. The copy gets its name when its bytes are whole and durable; the name is
 * durable when its folder is synced. Resolves to what is wrong with the source, if anything is.
 * @throws RegistryError STORAGE_FULL when there is no room; what writing throws; `signal.reason`
 */
export async function copyVerified(
  from: string,
  to: string,
  content: FileContent,
  options: CopyFileOptions,
): Promise<UnfitSource | undefined> {
  const opened = await open(from).catch(unfit);
  if ("kind" in opened) return opened;
  await using source = opened;
  const partial = `${to}.partial`;
  try {
    await using target = await open(partial, "w", 0o600);
    const wrong = await pour(source, target, content, options);
    if (wrong) {
      await unlinkIfThere(partial);
      return wrong;
    }
    await target.sync();
    await rename(partial, to);
    return undefined;
  } catch (error) {
    await unlinkIfThere(partial);
    throw asNoRoom(to, error);
  }
}

/** What to tell when writing failed: that there is no room, if that is why. @param path where it was written */
export function asNoRoom(path: string, error: unknown): unknown {
  const cause = isRegistryError(error, "STORAGE_FULL") ? error.cause : error;
  if (!["ENOSPC", "EDQUOT", "SQLITE_FULL"].includes(errorCode(cause))) return error;
  const advice = "make room and run the same command again, which goes on";
  return new RegistryError("STORAGE_FULL", `there is no room for ${path}: ${advice}`, { cause });
}

async function pour(
  source: FileHandle,
  target: FileHandle,
  { digest, size }: FileContent,
  { pacer, signal, onBytes }: CopyFileOptions,
): Promise<UnfitSource | undefined> {
  const hasher = createHasher(algorithmOf(digest));
  const piece = new Uint8Array(Math.min(pieceSize, size + 1));
  let at = 0;
  for (;;) {
    await pacer.take(0);
    const read = await source.read(piece, 0, piece.byteLength, at).catch(unfit);
    if ("kind" in read) return read;
    if (read.bytesRead === 0) break;
    const bytes = piece.subarray(0, read.bytesRead);
    hasher.update(bytes);
    await writeWhole(target, bytes, at);
    at += bytes.byteLength;
    onBytes(bytes.byteLength);
    await pacer.take(bytes.byteLength);
    if (at > size) break;
  }
  signal.throwIfAborted();
  if (at !== size)
    return { kind: "blob-damaged", detail: `its file has ${at > size ? "more" : at} bytes, not ${size}` };
  const found = hasher.digest();
  if (found === digest) return undefined;
  return { kind: "blob-damaged", detail: `the bytes of its file have the digest ${found}` };
}

async function writeWhole(target: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const { bytesWritten } = await target.write(bytes, done, bytes.byteLength - done, position + done);
    done += bytesWritten;
  }
}

/** What cannot be read is told; the rest is copied. */
function unfit(error: unknown): UnfitSource {
  const code = errorCode(error);
  if (code === "") throw error;
  if (code === "ENOENT") return { kind: "blob-lost", detail: "its file is not there" };
  const kind = code === "EIO" ? "blob-damaged" : "blob-unreadable";
  return { kind, detail: `its file cannot be read: ${String(error)}` };
}

/** Whether a file of this size is there: one that has its name was verified before. */
export async function isCopied(path: string, size: number): Promise<boolean> {
  try {
    return (await stat(path)).size === size;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}
