import { createHash } from "node:crypto";
import { type FileHandle, opendir, readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { RegistryError } from "../oci/errors.ts";
import type { RepositoryName } from "../oci/names.ts";
import { errorCode, unlinkIfThere } from "../registry/files/durable.ts";
import { asStorageError } from "../registry/files/receive.ts";
import { toldOnce } from "./told-once.ts";
import { createOwnClaims, createSharedClaims, type DigestNote, noteEnding } from "./upload-claims.ts";

/** Upload sessions as files: the name is `<id>.<hash of the repository>`, the length is the offset. */
export interface UploadFiles {
  readonly folder: string;
  /** @throws RegistryError TOOMANYREQUESTS; STORAGE_FULL */
  create(repository: RepositoryName, id: string): Promise<void>;
  /** Bytes received, also while somebody writes. @throws RegistryError BLOB_UPLOAD_UNKNOWN */
  size(repository: RepositoryName, id: string): Promise<number>;
  /** Takes a session for writing. @throws RegistryError BLOB_UPLOAD_UNKNOWN; UPLOAD_RANGE_INVALID when it is taken */
  claim(repository: RepositoryName, id: string): Promise<ClaimedUpload>;
  /** Ends a session and drops its bytes. @throws as `claim` */
  discard(repository: RepositoryName, id: string): Promise<void>;
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
  /** Its file is a blob's, too, as whoever ended it was not told: no byte may change. */
  readonly isBlob: boolean;
  readonly note?: DigestNote | undefined;
  /** Gives it back; `note` is asked for only where another process may go on. */
  release(note?: () => DigestNote | undefined): Promise<void>;
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
  /** Told of a file before it is given up that has another name: it was on the way to being a blob. */
  readonly leaving?: (path: string) => Promise<void>;
  /** Told why an upload that nobody goes on with stays: the next time it is tried again. */
  readonly troubled?: (what: string) => void;
}

/** In the names of files that are being imported. */
export const importEnding = ".import";

const idShape = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function createUploadFiles(options: UploadFilesOptions): UploadFiles {
  const { folder, slot, slots, maxOpen, leaving, troubled = () => {} } = options;
  const claims = slots === 1 ? createOwnClaims() : createSharedClaims(slot, slots);
  let counted = { at: 0, count: 0 };
  let counting: Promise<void> | undefined;
  const recount = async (): Promise<void> => {
    const names = await readdir(folder);
    const count = names.filter((name) => !name.endsWith(noteEnding)).length;
    counted = { at: Date.now(), count: claims.fresh.size + count };
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
  const claim: UploadFiles["claim"] = async (repository, id) => {
    const path = pathOf(repository, id);
    const taken = await claims.take(path).catch((error) => {
      throw asStorageError(error);
    });
    if (taken === "unknown") throw unknown(id);
    if (taken === "taken") throw busy(id);
    const { handle, note } = taken;
    const { size, nlink } = await handle.stat();
    const forget = async (): Promise<void> => {
      await handle.close();
      await claims.end(path);
    };
    return {
      path: taken.path,
      handle,
      size,
      isBlob: nlink > 1,
      note,
      async release(next) {
        await handle.close();
        await claims.giveBack(path, next);
      },
      async remove() {
        await unlink(taken.path).catch(() => {}); // it may have become a blob already
        await forget();
      },
      forget,
    };
  };
  /** Whether it is gone: one that cannot be removed is told of once, and holds up no other. */
  const tell = toldOnce(troubled);
  const giveUp = async (path: string, isLeaving: boolean): Promise<boolean> => {
    try {
      if (isLeaving) await leaving?.(path);
      await unlinkIfThere(path); // it may have ended meanwhile
      return true;
    } catch (error) {
      if (errorCode(error) === "ENOENT") return false; // likewise
      const why = error instanceof Error ? error.message : String(error);
      tell(`the expired upload ${path} cannot be removed, and is tried again later: ${why}`);
      return false;
    }
  };

  return {
    folder,
    claim,
    async count() {
      await refreshCount();
      return counted.count;
    },
    async create(repository, id) {
      if (Date.now() - counted.at > 1000) await refreshCount();
      if (counted.count >= maxOpen) {
        throw new RegistryError(
          "TOOMANYREQUESTS",
          `${maxOpen} uploads are open, no more are taken: finish or cancel some, or try again later`,
        );
      }
      counted.count++;
      await claims.begin(pathOf(repository, id)).catch((error) => {
        throw asStorageError(error);
      });
    },
    async size(repository, id) {
      const size = await claims.size(pathOf(repository, id));
      if (size === undefined) throw unknown(id);
      return size;
    },
    async discard(repository, id) {
      if (claims.fresh.delete(pathOf(repository, id))) return;
      await (await claim(repository, id)).remove();
    },
    async expire(ageMs) {
      const oldest = Date.now() - ageMs;
      let expired = 0;
      for (const [path, began] of claims.fresh) {
        if (began > oldest) break; // in the order in which they began
        claims.fresh.delete(path);
        expired++;
      }
      for await (const entry of await opendir(folder)) {
        const path = join(folder, entry.name);
        const found = await stat(path).catch(() => undefined); // it ended meanwhile
        // What is imported keeps the time of its source when it gets a second name here.
        const since = entry.name.includes(importEnding) ? found?.ctimeMs : found?.mtimeMs;
        if (!found || since === undefined || since > oldest) continue;
        if (await giveUp(path, found.nlink > 1)) expired++;
      }
      return expired;
    },
    recover: () => claims.recover(folder),
  };
}

function unknown(id: string): RegistryError {
  const shown = idShape.test(id) ? ` ${id}` : "";
  return new RegistryError(
    "BLOB_UPLOAD_UNKNOWN",
    `there is no upload${shown} in this repository: begin a new one`,
  );
}

function busy(id: string): RegistryError {
  return new RegistryError(
    "UPLOAD_RANGE_INVALID",
    `another request is writing to upload ${id}: ask for its state and go on from there`,
  );
}
