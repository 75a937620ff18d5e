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

/** A file that is to be written as a whole. */
export interface WholeFile {
  readonly path: string;
  readonly text: string;
  /** Who may do what with it. */
  readonly mode: number;
}

/** Writes files of one folder in their order; none takes its name before all are on the disk. */
export async function writeTogether(files: readonly WholeFile[]): Promise<void> {
  const written: string[] = [];
  try {
    for (const file of files) {
      written.push(temporaryOf(file));
      await writeTemporary(file);
    }
  } catch (error) {
    for (const path of written) await rm(path, { force: true });
    throw error;
  }
  for (const file of files) await rename(temporaryOf(file), file.path);
  for (const folder of new Set(files.map(({ path }) => dirname(path)))) await syncFolder(folder);
}

function temporaryOf({ path }: WholeFile): string {
  return `${path}.new`;
}

async function writeTemporary(wanted: WholeFile): Promise<void> {
  const temporary = temporaryOf(wanted);
  // Anew, through its handle: a link that somebody else put there is not followed.
  await rm(temporary, { force: true });
  const file = await open(temporary, "wx", wanted.mode);
  try {
    await file.chmod(wanted.mode);
    if (process.getuid?.() === 0) {
      const { uid, gid } = await stat(dirname(wanted.path));
      await file.chown(uid, gid);
    }
    await file.writeFile(wanted.text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** `undefined` when there is no such file. */
export async function readIfThere(path: string): Promise<string | undefined> {
  return existsSync(path) ? readFile(path, "utf8") : undefined;
}
