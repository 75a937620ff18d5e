import { existsSync } from "node:fs";
import { chown, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { makeDurableFolder, syncFolder } from "../../registry/files/durable.ts";

/** Root leaves what it makes to whom the folder belongs: the server need not be root to renew its certificate. */
export async function makeFolder(folder: string): Promise<void> {
  if (existsSync(folder)) return;
  await makeFolder(dirname(folder));
  await makeDurableFolder(folder);
  await giveTo(dirname(folder), folder);
}

async function giveTo(owned: string, path: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(owned);
  await chown(path, uid, gid);
}

/** Writes a file as a whole, for its owner and those whom `mode` lets. */
export async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  const folder = dirname(path);
  const temporary = `${path}.new`;
  // Anew, through its handle: a link that somebody else put there is not followed.
  await rm(temporary, { force: true });
  const file = await open(temporary, "wx", mode);
  try {
    await file.chmod(mode);
    if (process.getuid?.() === 0) {
      const { uid, gid } = await stat(folder);
      await file.chown(uid, gid);
    }
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await syncFolder(folder);
}

/** `undefined` when there is no such file. */
export async function readIfThere(path: string): Promise<string | undefined> {
  return existsSync(path) ? readFile(path, "utf8") : undefined;
}
