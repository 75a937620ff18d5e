import { randomUUID } from "node:crypto";
import { renameSync, statSync } from "node:fs";
import { link, rename, stat, unlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { errorCode, makeDurableFolder, syncFolder } from "../../registry/files/durable.ts";

/** The name of the folder, below the data folder, of what verification took out of use: whoever owns it decides. */
export const quarantineName = "quarantine";

/** Where files are kept that must not be used and that nobody has decided to delete. */
export interface Quarantine {
  /**
   * Moves a file there, when it is still the one that was looked at. Resolves to its new path below the data folder.
   * @param inode which file was looked at
   */
  take(path: string, inode: number): Promise<string | undefined>;
  /**
   * Likewise, but moves the file at once and only if `unlessKnown` lets it: inside a transaction that asks again whether
   * somebody needs it by now.
   */
  takeUnless(
    path: string,
    inode: number,
    unlessKnown: (move: () => boolean) => Promise<boolean>,
  ): Promise<string | undefined>;
  /** Keeps bytes that stood in no file. Resolves to their path below the data folder. */
  keep(name: string, bytes: Uint8Array): Promise<string>;
}

/** @param folder the data folder */
export function createQuarantine(folder: string): Quarantine {
  const place = async (name: string): Promise<string> => {
    await makeDurableFolder(join(folder, quarantineName));
    return join(quarantineName, `${name}.${Date.now()}-${randomUUID().slice(0, 8)}`);
  };
  return {
    async take(path, inode) {
      if ((await inodeOf(path)) !== inode) return undefined;
      const to = await place(basename(path));
      await rename(path, join(folder, to));
      if ((await inodeOf(join(folder, to))) === inode) {
        await syncFolder(join(folder, quarantineName));
        return to;
      }
      // A push has just put a whole one in its place: that goes back, unless there is another again.
      await link(join(folder, to), path).catch((error) => {
        if (errorCode(error) !== "EEXIST") throw error;
      });
      await unlink(join(folder, to));
      return undefined;
    },
    async takeUnless(path, inode, unlessKnown) {
      const to = await place(basename(path));
      const move = (): boolean => {
        if (statSync(path, { throwIfNoEntry: false })?.ino !== inode) return false;
        renameSync(path, join(folder, to));
        return true;
      };
      if (!(await unlessKnown(move))) return undefined;
      await syncFolder(join(folder, quarantineName));
      return to;
    },
    async keep(name, bytes) {
      const to = await place(name);
      await writeFile(join(folder, to), bytes, { mode: 0o600, flush: true });
      return to;
    },
  };
}

/** Which file a path leads to; `undefined` when there is none. */
async function inodeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).ino;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
