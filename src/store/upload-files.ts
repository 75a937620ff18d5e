import { createHash } from "node:crypto";
import { type FileHandle, open, opendir, readdir, rename, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { RegistryError } from "../oci/errors.ts";
import type { RepositoryName } from "../oci/names.ts";
import { errorCode } from "../registry/files/durable.ts";
import { asStorageError } from "../registry/files/receive.ts";

/**
 * Upload sessions as files, one each, that several processes share without other state: the name is
 * `<id>.<hash of the repository>`, the length is the offset. Who writes to one takes it by renaming it to
 * `<name>.busy<slot>`, which only one can do; `slot` is the number of the worker process.
 */
export interface UploadFiles {
  readonly folder: string;
  /** @throws RegistryError TOOMANYREQUESTS; STORAGE_FULL */
  create(repository: RepositoryName, id: string): Promise<void>;
  /** Bytes received, also while somebody writes. @throws RegistryError BLOB_UPLOAD_UNKNOWN */
  size(repository: RepositoryName, id: string): Promise<number>;
  /** Takes a session for writing. @throws RegistryError BLOB_UPLOAD_UNKNOWN; UPLOAD_RANGE_INVALID when it is taken */
  claim(repository: RepositoryName, id: string): Promise<ClaimedUpload>;
  /** How many there are, at most a second old. */
  count(): Promise<number>;
  /** Removes those that nobody wrote to for `ageMs`; resolves to how many. */
  expire(ageMs: number): Promise<number>;
  /** Gives back what a killed process of this slot had taken. */
  recover(): Promise<void>;
}

/** A session that nobody else can write to. End it with one of the methods. */
export interface ClaimedUpload {
  readonly path: string;
  readonly handle: FileHandle;
  /** Bytes at the time it was taken. */
  readonly size: number;
  /** Gives it back. */
  release(): Promise<void>;
  /** Deletes it. */
  remove(): Promise<void>;
  /** Closes it after its file became something else. */
  forget(): Promise<void>;
}

export interface UploadFilesOptions {
  readonly folder: string;
  /** This worker's number, below `slots`. */
  readonly slot: number;
  readonly slots: number;
  readonly maxOpen: number;
}

const idShape = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function createUploadFiles({ folder, slot, slots, maxOpen }: UploadFilesOptions): UploadFiles {
  let counted = { at: 0, count: 0 };
  let counting: Promise<void> | undefined;
  const recount = async (): Promise<void> => {
    counted = { at: Date.now(), count: (await readdir(folder)).length };
    counting = undefined;
  };
  const refreshCount = async (): Promise<void> => {
    if (Date.now() - counted.at <= 1000) return;
    counting ??= recount();
    await counting;
  };
  const pathOf = (repository: RepositoryName, id: string): string => {
    if (!idShape.test(id)) throw unknown(id);
    return join(folder, `${id}.${createHash("sha256").update(repository).digest("hex").slice(0, 16)}`);
  };
  const busySize = async (path: string): Promise<number | undefined> => {
    for (let other = 0; other < slots; other++) {
      const found = await sizeOf(`${path}.busy${other}`);
      if (found !== undefined) return found;
    }
    return undefined;
  };

  return {
    folder,
    async count() {
      await refreshCount();
      return counted.count;
    },
    async create(repository, id) {
      await refreshCount();
      if (counted.count >= maxOpen) {
        throw new RegistryError(
          "TOOMANYREQUESTS",
          `${maxOpen} uploads are open, no more are taken: finish or cancel some, or try again later`,
        );
      }
      counted.count++;
      await open(pathOf(repository, id), "wx").then(
        (handle) => handle.close(),
        (error) => {
          throw asStorageError(error);
        },
      );
    },
    async size(repository, id) {
      const path = pathOf(repository, id);
      const size = (await sizeOf(path)) ?? (await busySize(path)) ?? (await sizeOf(path));
      if (size === undefined) throw unknown(id);
      return size;
    },
    async claim(repository, id) {
      const path = pathOf(repository, id);
      const busy = `${path}.busy${slot}`;
      try {
        await rename(path, busy);
      } catch (error) {
        if (errorCode(error) !== "ENOENT") throw error;
        throw (await busySize(path)) === undefined ? unknown(id) : taken(id);
      }
      const handle = await open(busy, "r+");
      const { size } = await handle.stat();
      return {
        path: busy,
        handle,
        size,
        async release() {
          await handle.close();
          await rename(busy, path);
        },
        async remove() {
          await handle.close();
          await unlink(busy).catch(() => {}); // it may have become a blob already
        },
        forget: () => handle.close(),
      };
    },
    async expire(ageMs) {
      const oldest = Date.now() - ageMs;
      let expired = 0;
      for await (const entry of await opendir(folder)) {
        const path = join(folder, entry.name);
        const found = await stat(path).catch(() => undefined); // it ended meanwhile
        if (!found || found.mtimeMs > oldest) continue;
        await unlink(path).catch(() => {}); // likewise
        expired++;
      }
      return expired;
    },
    async recover() {
      const mark = `.busy${slot}`;
      for (const name of await readdir(folder)) {
        if (name.endsWith(mark)) await rename(join(folder, name), join(folder, name.slice(0, -mark.length)));
      }
    },
  };
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function unknown(id: string): RegistryError {
  const shown = idShape.test(id) ? ` ${id}` : "";
  return new RegistryError(
    "BLOB_UPLOAD_UNKNOWN",
    `there is no upload${shown} in this repository: begin a new one`,
  );
}

function taken(id: string): RegistryError {
  return new RegistryError(
    "UPLOAD_RANGE_INVALID",
    `another request is writing to upload ${id}: ask for its state and go on from there`,
  );
}
