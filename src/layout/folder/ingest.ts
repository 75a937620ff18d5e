import { createHash, randomUUID } from "node:crypto";
import { type FileHandle, open, rename, rmdir, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { algorithmOf, type Digest, encodedOf } from "../../oci/digests.ts";
import { isRegistryError, RegistryError } from "../../oci/errors.ts";
import { syncFile } from "../../registry/files/durable.ts";
import { hashFile } from "../../registry/files/hash-file.ts";
import { asStorageError, receive } from "../../registry/files/receive.ts";
import { createHasher, type Hasher } from "../../registry/hash.ts";
import type { ExpectedBlob, PutBlobOptions } from "../../registry/registry.ts";
import { ensureFolderFor, ignoreMissing, namesIn } from "./files.ts";
import { isRunning, processSpace } from "./lock.ts";

/** A verified file with durable bytes. Whoever gets it gives it a name among the blobs, or removes it. */
export interface IngestedFile {
  readonly path: string;
  readonly size: number;
}

/** Files of blobs that are on their way. */
export interface Ingest {
  readonly folder: string;
  /**
   * Receives a blob into a file and verifies it. When the transfer breaks and the sender can begin anywhere, what came
   * is kept, and the next call for the same blob goes on from there.
   */
  receiveBlob(
    expected: ExpectedBlob,
    body: ReadableStream<Uint8Array>,
    options: PutBlobOptions,
  ): Promise<IngestedFile>;
  /** Removes a file that was not given a name, and the folder when it is empty. */
  discard(path: string): Promise<void>;
}

/** Errors after which what came is of no use. */
const uselessAfter = ["DIGEST_INVALID", "SIZE_INVALID", "STORAGE_FULL"] as const;
/** A file of another machine's process that was not written to for this long was left behind. */
const abandonedMs = 10 * 60 * 1000;

/** Names of files on their way: `<blob>.part` when nobody writes to it, else `<blob>.<host>.<pid>.<id>.part`. */
const host = createHash("sha256").update(processSpace()).digest("hex").slice(0, 8);

/** @param folder made when it is needed, removed when it is empty */
export function createIngest(folder: string): Ingest {
  const nameOf = (digest: Digest): string => `${algorithmOf(digest)}-${encodedOf(digest)}`;
  const ownPath = (digest: Digest): string =>
    join(folder, `${nameOf(digest)}.${host}.${process.pid}.${randomUUID()}.part`);

  const discard = async (path: string): Promise<void> => {
    await unlink(path).catch(ignoreMissing);
    await removeIfEmpty(folder);
    await removeIfEmpty(dirname(folder));
  };

  /** Takes what an earlier transfer left of a blob. */
  const claim = async (digest: Digest): Promise<string | undefined> => {
    for (const name of await namesIn(folder)) {
      if (!name.startsWith(`${nameOf(digest)}.`) || !(await isFree(join(folder, name)))) continue;
      const path = ownPath(digest);
      try {
        await rename(join(folder, name), path);
        return path;
      } catch (error) {
        ignoreMissing(error); // another process took it
      }
    }
    return undefined;
  };

  /** Writes to a file what it lacks. What came stays when `isUseful` says so of an error. */
  const fill = async (path: string, transfer: Transfer): Promise<IngestedFile> => {
    try {
      return await receiveInto(path, transfer);
    } catch (error) {
      const isUseful =
        transfer.keeps &&
        !uselessAfter.some((code) => isRegistryError(error, code)) &&
        (await hasBytes(path));
      if (isUseful)
        await rename(path, join(folder, `${nameOf(transfer.expected.digest)}.part`)).catch(ignoreMissing);
      else await discard(path);
      throw asStorageError(error);
    }
  };

  return {
    folder,
    discard,
    async receiveBlob(expected, body, { reopen, signal, isHandedOver }) {
      const { digest, size } = expected;
      const left = reopen && size !== undefined ? await claim(digest) : undefined;
      const shared = { expected, signal, isHandedOver, keeps: reopen !== undefined && size !== undefined };
      if (left !== undefined && reopen) {
        const optionsOf = signal ? { signal } : {};
        const resume = async (offset: number) => {
          if (!body.locked) body.cancel().catch(() => {}); // never read
          return offset === size ? emptyBody() : reopen(offset, optionsOf);
        };
        try {
          return await fill(left, { ...shared, bodyFrom: resume });
        } catch (error) {
          // What was left may have been damaged by a crash: the blob is asked for from its beginning.
          if (!isRegistryError(error, "DIGEST_INVALID", "SIZE_INVALID")) throw error;
        }
        return fill(ownPath(digest), { ...shared, bodyFrom: () => reopen(0, optionsOf) });
      }
      return fill(ownPath(digest), { ...shared, bodyFrom: async () => body });
    },
  };
}

interface Transfer {
  readonly expected: ExpectedBlob;
  readonly signal: AbortSignal | undefined;
  readonly keeps: boolean;
  readonly isHandedOver: boolean | undefined;
  bodyFrom(offset: number): Promise<ReadableStream<Uint8Array>>;
}

async function receiveInto(
  path: string,
  { expected, signal, isHandedOver, bodyFrom }: Transfer,
): Promise<IngestedFile> {
  const { digest, size } = expected;
  const handle = await ensureFolderFor(path, () => open(path, "a+"));
  await handle.close();
  const file = await open(path, "r+"); // not for appending: where the bytes go is told
  try {
    const hasher = createHasher(algorithmOf(digest));
    const offset = await hashLeft(file, hasher, size, signal);
    const received = await receive(file.fd, await bodyFrom(offset), {
      position: offset,
      hasher,
      size: size === undefined ? undefined : size - offset,
      signal,
      isHandedOver,
    });
    if ("error" in received) {
      await file.truncate(offset + received.size).catch(() => {}); // the error says more
      throw received.error;
    }
    checkDigest(expected, hasher.digest());
    await syncFile(file.fd);
    return { path, size: offset + received.size };
  } finally {
    await file.close();
  }
}

/** Hashes what an earlier transfer left. @throws RegistryError SIZE_INVALID when that is more than the whole blob */
async function hashLeft(
  file: FileHandle,
  hasher: Hasher,
  size: number | undefined,
  signal: AbortSignal | undefined,
): Promise<number> {
  const left = (await file.stat()).size;
  if (size !== undefined && left > size) {
    throw new RegistryError("SIZE_INVALID", `${left} bytes were left of a blob of ${size} bytes`);
  }
  return left === 0 ? 0 : hashFile(file, hasher, { signal });
}

/** @throws RegistryError DIGEST_INVALID */
export function checkDigest({ digest }: Pick<ExpectedBlob, "digest">, found: Digest): void {
  if (found === digest) return;
  throw new RegistryError(
    "DIGEST_INVALID",
    `the bytes that were sent have the digest ${found}, not ${digest}: send them again`,
    { detail: { expected: digest, actual: found } },
  );
}

async function hasBytes(path: string): Promise<boolean> {
  return ((await stat(path).catch(ignoreMissing))?.size ?? 0) > 0;
}

/** Whether nobody writes to a file any more. */
async function isFree(path: string): Promise<boolean> {
  const [, ofHost, pid] = /\.([0-9a-f]{8})\.(\d+)\.[0-9a-f-]{36}\.part$/.exec(path) ?? [];
  if (ofHost === undefined) return path.endsWith(".part");
  if (ofHost === host) return !isRunning(Number(pid));
  try {
    return Date.now() - (await stat(path)).mtimeMs > abandonedMs;
  } catch (error) {
    ignoreMissing(error);
    return false;
  }
}

async function removeIfEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch(() => {}); // others' files are in it
}

function emptyBody(): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: (controller) => controller.close() });
}
