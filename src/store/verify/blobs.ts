import { open } from "node:fs/promises";
import { algorithmOf } from "../../oci/digests.ts";
import { errorCode } from "../../registry/files/durable.ts";
import { hashFile } from "../../registry/files/hash-file.ts";
import { createHasher, digestOf } from "../../registry/hash.ts";
import type { BlobFiles } from "../blobs/files.ts";
import type { FaultKind, InspectedBlob } from "../metadata/verification.ts";
import type { Pacer } from "./pacing.ts";

/** What a blob's bytes turned out to be. */
export type BlobVerdict =
  | { readonly state: "whole" }
  | {
      readonly state: Extract<FaultKind, `blob-${string}`>;
      readonly detail: string;
      /** Which file it was: another one may have taken its place since. */
      readonly inode?: number;
    };

/** What blobs are read with. */
export interface BlobReading {
  readonly blobs: BlobFiles;
  readonly pacer: Pacer;
  readonly signal: AbortSignal;
  /** Told of bytes as they are read. */
  readonly onBytes: (bytes: number) => void;
}

/** Reads all of a blob. @throws `signal.reason` */
export async function examineBlob(blob: InspectedBlob, reading: BlobReading): Promise<BlobVerdict> {
  const { digest, size, bytes } = blob;
  if (!bytes) return examineFile(blob, reading);
  reading.onBytes(bytes.byteLength);
  await reading.pacer.take(bytes.byteLength);
  const found = digestOf(bytes, algorithmOf(digest));
  if (found === digest && bytes.byteLength === size) return { state: "whole" };
  return {
    state: "blob-damaged",
    detail: `its ${bytes.byteLength} bytes in the metadata have the digest ${found}`,
  };
}

async function examineFile(
  { digest, size }: InspectedBlob,
  { blobs, pacer, signal, onBytes }: BlobReading,
): Promise<BlobVerdict> {
  try {
    await using file = await open(blobs.pathOf(digest));
    const { size: found, ino: inode } = await file.stat();
    if (found !== size) {
      return { state: "blob-damaged", detail: `its file has ${found} bytes instead of ${size}`, inode };
    }
    const hasher = createHasher(algorithmOf(digest));
    const pace = (bytes: number): Promise<void> => {
      onBytes(bytes);
      return pacer.take(bytes);
    };
    try {
      await hashFile(file, hasher, { signal, pace });
    } catch (error) {
      if (errorCode(error) !== "EIO") throw error;
      return { state: "blob-damaged", detail: `the disk cannot read its file: ${String(error)}`, inode };
    }
    const actual = hasher.digest();
    if (actual === digest) return { state: "whole" };
    return { state: "blob-damaged", detail: `the bytes of its file have the digest ${actual}`, inode };
  } catch (error) {
    signal.throwIfAborted();
    const code = errorCode(error);
    if (code === "") throw error;
    if (code === "ENOENT") return { state: "blob-lost", detail: "its file is not there" };
    return { state: "blob-unreadable", detail: `its file cannot be read: ${String(error)}` };
  }
}
