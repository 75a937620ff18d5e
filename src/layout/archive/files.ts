import { randomUUID } from "node:crypto";
import { open, rename, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isRegistryError, RegistryError } from "../../oci/errors.ts";
import { syncFile, syncFolder } from "../../registry/files/durable.ts";
import { asStorageError, receive } from "../../registry/files/receive.ts";
import { streamOfPieces } from "../../registry/pieces.ts";
import { unpacked } from "./compression.ts";

/** Options of what writes archives to files. */
export interface WriteOptions {
  readonly signal?: AbortSignal;
}

/**
 * Writes an archive to a file, which is there once it is whole and durable; what was there before is replaced.
 * @returns its size
 * @throws what the pieces throw; `signal.reason`; RegistryError STORAGE_FULL; what the file system says
 */
export async function writeArchive(
  path: string,
  pieces: AsyncIterable<Uint8Array>,
  { signal }: WriteOptions = {},
): Promise<number> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${randomUUID()}.tmp`);
  // A name that nobody has heard of helps nobody: what is wrong is the folder.
  const file = await open(temporary, "wx").catch((error) => {
    throw Object.assign(error, { path: folder });
  });
  try {
    const received = await receive(file.fd, streamOfPieces(pieces), { position: 0, signal });
    if ("error" in received) throw causeOf(received.error);
    await syncFile(file.fd);
    await rename(temporary, path);
    await syncFolder(folder);
    return received.size;
  } catch (error) {
    await unlink(temporary).catch(() => {}); // it may have its name already
    const failure = asStorageError(error);
    if (!isRegistryError(failure, "STORAGE_FULL")) throw failure;
    if (isFromReading(failure.cause)) throw failure.cause; // of another disk, that the pieces are on
    const what = `${path} cannot be written, its disk is full or failing: make room and try again`;
    throw new RegistryError("STORAGE_FULL", what, { cause: failure.cause });
  } finally {
    await file.close();
  }
}

/** Whether an error of the system is one of reading a file. */
export function isFromReading(error: unknown): boolean {
  const call = error instanceof Error && "syscall" in error ? error.syscall : "";
  return call === "open" || call === "read";
}

/** What broke a transfer, not that it broke. */
export function causeOf(error: unknown): unknown {
  return isRegistryError(error, "BODY_INCOMPLETE") && error.cause !== undefined ? error.cause : error;
}

/** Options of {@link unpackArchive}. */
export interface UnpackOptions extends WriteOptions {
  /** What the archive is called in messages. */
  readonly name?: string;
}

/**
 * Writes an archive that cannot be read where it is, from a pipe or compressed, to a file, unpacked. Whoever gets the
 * file removes it.
 * @throws as `unpacked`; `signal.reason`; RegistryError STORAGE_FULL
 */
export async function unpackArchive(
  path: string,
  archive: AsyncIterable<Uint8Array>,
  { name = "the archive", ...options }: UnpackOptions = {},
): Promise<number> {
  return writeArchive(path, piecesIn(name, archive), options);
}

async function* piecesIn(name: string, archive: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* unpacked(archive);
  } catch (error) {
    throw inArchive(error, name);
  }
}

/** The error of an archive with its name. */
export function inArchive(error: unknown, name: string): unknown {
  if (!(error instanceof RegistryError)) return error;
  return new RegistryError(error.code, `cannot read ${name}: ${error.message}`, { cause: error });
}
