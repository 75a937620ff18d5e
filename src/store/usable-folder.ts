import { constants } from "node:fs";
import { access, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { RegistryError } from "../oci/errors.ts";
import { errorCode, makeDurableFolder } from "../registry/files/durable.ts";
import { requireOwnContents } from "./foreign-folders.ts";

/** What every data folder of Berth has, and has to be written. */
const ownFiles = ["lock.db", "metadata.db"];

/**
 * Makes a data folder if it is not there, and sees that this process can use it. Nothing in it is changed.
 * @throws RegistryError UNAVAILABLE when it may not be written, is no folder, or is another program's or a newer Berth's
 */
export async function makeUsableFolder(folder: string): Promise<void> {
  try {
    await makeDurableFolder(folder);
  } catch (cause) {
    throw refusal(`cannot make the data folder ${folder}`, cause, "");
  }
  await requireOwnContents(folder, await requireWritableFolder(folder));
}

/**
 * Sees that this process can write what is in a data folder, which is there. Resolves to what is in it.
 * @throws RegistryError UNAVAILABLE when it may not be written
 */
export async function requireWritableFolder(folder: string): Promise<readonly string[]> {
  await requireWritable(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  const names = await readdir(folder);
  for (const name of ownFiles) {
    if (names.includes(name)) await requireWritable(join(folder, name), constants.R_OK | constants.W_OK);
  }
  return names;
}

async function requireWritable(path: string, mode: number): Promise<void> {
  try {
    await access(path, mode);
  } catch (cause) {
    const { uid } = await stat(path);
    throw refusal(`cannot write to ${path}, where the data is`, cause, ownerOf(path, uid));
  }
}

/** Whose it is, and the command that mends that. */
function ownerOf(path: string, uid: number): string {
  const me = process.getuid?.();
  if (me === undefined || uid === me)
    return ": it is this user's own, so look at its mode and what else guards it";
  return `: it belongs to user ${uid}, and Berth runs as user ${me}: chown -R ${me} ${path}`;
}

function refusal(what: string, cause: unknown, owner: string): unknown {
  const why: Readonly<Record<string, string>> = {
    EACCES: `${owner || `: user ${process.getuid?.()} may not`}, or choose another with --data`,
    EPERM: `${owner || `: user ${process.getuid?.()} may not`}, or choose another with --data`,
    EROFS: ": its file system is read-only: choose another with --data",
    EEXIST: ": it is no folder: choose another with --data",
    ENOTDIR: ": a part of the path is no folder: choose another with --data",
  };
  const reason = why[errorCode(cause)];
  return reason === undefined ? cause : new RegistryError("UNAVAILABLE", what + reason, { cause });
}
