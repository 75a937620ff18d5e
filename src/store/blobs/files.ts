import { statSync } from "node:fs";
import { link, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { algorithmOf, type Digest, encodedOf } from "../../oci/digests.ts";
import {
  errorCode,
  makeDurableFolder,
  syncFile,
  syncFolder,
  unlinkIfThere,
} from "../../registry/files/durable.ts";

/** Blobs as files: `sha256/ab/abcd...`, each written once and never changed. */
export interface BlobFiles {
  /** Where the bytes of a stored blob are. */
  pathOf(digest: Digest): string;
  /** Whether the blob's file is there and has `size` bytes: asked with every request for the blob, at once. */
  isThere(digest: Digest, size: number): boolean;
  /**
   * Makes the file at `path`, open as `fd`, whose digest was verified, the blob's file. Resolves when the bytes and
   * the file's name are durable. It keeps its name `path` too: whoever removes blobs may still take the other one.
   */
  adopt(path: string, fd: number, digest: Digest): Promise<void>;
}

export function createBlobFiles(root: string): BlobFiles {
  const pathOf = (digest: Digest): string => {
    const encoded = encodedOf(digest);
    return join(root, algorithmOf(digest), encoded.slice(0, 2), encoded);
  };
  /** Folders whose names this process has made durable: another may have made them, and not be so far. */
  const named = new Map<string, Promise<void>>();
  const nameFolder = (folder: string): Promise<void> => {
    let known = named.get(folder);
    if (!known) {
      known = syncNames(folder, root);
      known.catch(() => named.delete(folder)); // whoever waits for it has the error
      named.set(folder, known);
    }
    return known;
  };
  return {
    pathOf,
    isThere: (digest, size) => statSync(pathOf(digest), { throwIfNoEntry: false })?.size === size,
    async adopt(path, fd, digest) {
      const target = pathOf(digest);
      const folder = dirname(target);
      // A name that is there already may belong to an upload whose bytes are not durable yet, or to one that a crash
      // cut off: these bytes are verified, so they take its place, but only once they are durable themselves. A free
      // name can be taken at once, and both are synced together: nobody looks at it before the metadata say so.
      const taken = !(await linkFile(path, target, folder));
      if (taken) {
        await syncFile(fd);
        const whole = `${path}.whole`;
        await unlinkIfThere(whole);
        await link(path, whole);
        try {
          await rename(whole, target);
        } finally {
          await unlinkIfThere(whole); // it failed, or did nothing for one and the same file
        }
        await Promise.all([syncFolder(folder), nameFolder(folder)]);
      } else {
        await Promise.all([syncFile(fd), syncFolder(folder), nameFolder(folder)]);
      }
    },
  };
}

/** Resolves when the names of a folder, and of those above it up to `root`, are durable. */
async function syncNames(folder: string, root: string): Promise<void> {
  for (let at = folder; at !== root; at = dirname(at)) await syncFolder(dirname(at));
}

async function linkFile(path: string, target: string, folder: string): Promise<boolean> {
  for (let hasFolder = false; ; hasFolder = true) {
    try {
      await link(path, target);
      return true;
    } catch (error) {
      if (errorCode(error) === "EEXIST") return false;
      if (errorCode(error) !== "ENOENT" || hasFolder) throw error; // it is `path` that is not there
      await makeDurableFolder(folder);
    }
  }
}
