import { type FileHandle, open, readdir, readFile, rename, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, isDigest } from "../oci/digests.ts";
import { errorCode } from "../registry/files/durable.ts";

/** The digest of a session's bytes so far: a session that ends there need not be read again. */
export interface DigestNote {
  readonly digest: Digest;
  /** How many bytes it is of. */
  readonly offset: number;
}

/** How the names of files with a note end. */
export const noteEnding = ".digest";

/** A session's file that nobody else can write to. */
export interface Claim {
  readonly path: string;
  readonly handle: FileHandle;
  /** Left by another process that wrote to it before. */
  readonly note?: DigestNote | undefined;
}

/** Who writes to which session's file. `path` is the file's when nobody writes to it. */
export interface Claims {
  begin(path: string): Promise<void>;
  /** Bytes received; `undefined` when there is no such session. */
  size(path: string): Promise<number | undefined>;
  take(path: string): Promise<Claim | "unknown" | "taken">;
  /** Gives a claim back, its handle closed; `note` is kept where another process may go on. */
  giveBack(path: string, note?: () => DigestNote | undefined): Promise<void>;
  /** Ends a claim whose file is gone, its handle closed. */
  end(path: string): Promise<void>;
  /** Sessions that have no file yet, with the times they began; those that begin no more are to be deleted. */
  readonly fresh: Map<string, number>;
  /** Gives back what a killed process had taken. */
  recover(folder: string): Promise<void>;
}

/**
 * Claims of the only process that uses a folder, in memory: a session has no file until the first bytes come, and is
 * forgotten with the process until then.
 */
export function createOwnClaims(): Claims {
  const fresh = new Map<string, number>();
  const busy = new Set<string>();
  return {
    fresh,
    async begin(path) {
      fresh.set(path, Date.now());
    },
    size: async (path) => (fresh.has(path) ? 0 : sizeOf(path)),
    async take(path) {
      if (busy.has(path)) return "taken";
      busy.add(path);
      const began = fresh.get(path);
      fresh.delete(path);
      try {
        const handle = await open(path, began === undefined ? "r+" : "wx+");
        return { path, handle };
      } catch (error) {
        busy.delete(path);
        if (began !== undefined) fresh.set(path, began); // too many open files, perhaps: it can be tried again
        if (errorCode(error) === "ENOENT") return "unknown";
        throw error;
      }
    },
    async giveBack(path) {
      busy.delete(path);
    },
    async end(path) {
      busy.delete(path);
    },
    // One process after several: no other is left.
    recover: (folder) => giveBackAll(folder, () => true),
  };
}

/**
 * Claims of the worker process `slot` of several, without other state than file names: who writes to `<path>` renames
 * it to `<path>.busy<slot>`, which only one can do. `<path>.digest` holds the note.
 */
export function createSharedClaims(slot: number, slots: number): Claims {
  const own = (path: string): string => `${path}.busy${slot}`;
  const busySize = async (path: string): Promise<number | undefined> => {
    for (let other = 0; other < slots; other++) {
      const found = await sizeOf(`${path}.busy${other}`);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return {
    fresh: new Map(),
    begin: async (path) => (await open(path, "wx")).close(),
    size: async (path) => (await sizeOf(path)) ?? (await busySize(path)) ?? (await sizeOf(path)),
    async take(path) {
      try {
        await rename(path, own(path));
      } catch (error) {
        if (errorCode(error) !== "ENOENT") throw error;
        return (await busySize(path)) === undefined ? "unknown" : "taken";
      }
      try {
        return { path: own(path), handle: await open(own(path), "r+"), note: await readNote(path) };
      } catch (error) {
        await rename(own(path), path);
        throw error;
      }
    },
    async giveBack(path, note) {
      const noted = note?.();
      if (noted) await writeFile(path + noteEnding, `${noted.offset} ${noted.digest}`);
      await rename(own(path), path);
    },
    async end(path) {
      await unlink(path + noteEnding).catch(() => {}); // most have none
    },
    // The first also for workers that there are no more, since the number of them was set lower.
    recover: (folder) => giveBackAll(folder, (other) => other === slot || (slot === 0 && other >= slots)),
  };
}

async function giveBackAll(folder: string, isOf: (slot: number) => boolean): Promise<void> {
  for (const name of await readdir(folder)) {
    const [mark, slot] = /\.busy(\d+)$/.exec(name) ?? [];
    if (mark !== undefined && isOf(Number(slot)))
      await rename(join(folder, name), join(folder, name.slice(0, -mark.length)));
  }
}

async function readNote(path: string): Promise<DigestNote | undefined> {
  // None, or one that a kill cut off: then the bytes are read again.
  const text = await readFile(path + noteEnding, "utf8").catch(() => "");
  const [offset = "", digest = ""] = text.split(" ");
  return isDigest(digest) ? { offset: Number(offset), digest } : undefined;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
