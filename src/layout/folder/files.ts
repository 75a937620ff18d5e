import { randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, readFile, rename, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { algorithmOf, type Digest, encodedOf } from "../../oci/digests.ts";
import { maxManifestSize } from "../../oci/manifests.ts";
import { errorCode, makeDurableFolder } from "../../registry/files/durable.ts";
import { asStorageError } from "../../registry/files/receive.ts";
import type { LayoutFiles } from "../contents.ts";

/** Names in a layout's folder. Those that begin with a dot are Berth's own and are there only while they are needed. */
export interface LayoutPaths {
  readonly folder: string;
  readonly index: string;
  readonly version: string;
  readonly blobs: string;
  /** Berth's own folder. */
  readonly own: string;
  readonly links: string;
  readonly lock: string;
  readonly ingest: string;
  blob(digest: Digest): string;
}

/** The names in a layout's folder. */
export function layoutPaths(folder: string): LayoutPaths {
  const own = join(folder, ".berth");
  return {
    folder,
    index: join(folder, "index.json"),
    version: join(folder, "oci-layout"),
    blobs: join(folder, "blobs"),
    own,
    links: join(own, "links.json"),
    lock: join(own, "lock"),
    ingest: join(own, "ingest"),
    blob: (digest) => join(folder, "blobs", algorithmOf(digest), encodedOf(digest)),
  };
}

/** The blobs of a layout's folder. */
export function createFolderFiles({ folder, blob }: LayoutPaths): LayoutFiles {
  const sizeOf = async (path: string): Promise<number | undefined> => {
    try {
      const found = await stat(path);
      return found.isFile() ? found.size : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  };
  return {
    name: `layout ${folder}`,
    async findBlob(digest) {
      const path = blob(digest);
      const size = await sizeOf(path);
      return size === undefined ? undefined : { size, source: { kind: "file", path } };
    },
    async readManifest(digest) {
      const path = blob(digest);
      const size = await sizeOf(path);
      return size === undefined || size > maxManifestSize ? undefined : readIfThere(path);
    },
  };
}

/** Reads a small file whole. */
export async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Whether an error says that a file, or a folder above it, is not there. */
export function isMissing(error: unknown): boolean {
  return errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR";
}

/** Throws an error on, but for one that says that a file is not there. */
export function ignoreMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error;
}

/** The names in a folder; none when it is not there. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  return (await readdir(folder).catch(ignoreMissing)) ?? [];
}

/** Does something that makes the file `path`; makes its folder when that is not there, or was removed meanwhile. */
export async function ensureFolderFor<T>(path: string, make: () => Promise<T>): Promise<T> {
  for (let left = 10; ; left--) {
    try {
      return await make();
    } catch (error) {
      if (errorCode(error) !== "ENOENT" || left === 0) throw asStorageError(error);
    }
    await mkdir(dirname(path), { recursive: true });
  }
}

/**
 * Replaces a small file at once: whoever reads it sees the old bytes or the new ones. Its name is not synced yet. Only
 * for who holds the lock.
 */
export async function replaceFile({ own }: LayoutPaths, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = join(own, `${randomUUID()}.tmp`);
  let file: FileHandle | undefined;
  try {
    file = await open(temporary, "wx");
    await file.writeFile(bytes);
    await file.sync();
    await file.close();
    await ensureFolderFor(path, () => rename(temporary, path));
  } catch (error) {
    await file?.close().catch(() => {}); // the first error says more
    await unlink(temporary).catch(() => {}); // likewise
    throw asStorageError(error);
  }
}

/** Removes what processes left that were killed while they held the lock. Only for who holds it. */
export async function removeTemporaries({ own }: LayoutPaths): Promise<void> {
  for (const name of await readdir(own)) if (name.endsWith(".tmp")) await unlink(join(own, name));
}

/** Gives a file whose bytes are durable its place among the blobs. The name is durable once its folder is synced. */
export async function adoptBlob(from: string, to: string): Promise<void> {
  await makeDurableFolder(dirname(to));
  await rename(from, to);
}
