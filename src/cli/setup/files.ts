import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import {
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
  writeFile,
} from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { quote, RegistryError } from "../../oci/errors.ts";
import { errorCode, syncFolder } from "../../registry/files/durable.ts";

/** The files below another root folder, whose paths are as if it were `/`. Contents are Latin-1. */
export interface Files {
  /** `undefined` when there is no such file. @throws what reading throws */
  read(path: string): Promise<string | undefined>;
  /** Writes a file as a whole, with the owner and the mode that it has. Resolves to the folders that it made. */
  write(path: string, content: string, mode?: number): Promise<readonly string[]>;
  remove(path: string): Promise<void>;
  /** The names in a folder; none when there is none. */
  list(folder: string): Promise<readonly string[]>;
  /** Removes those of the folders that are empty, the deepest first. Resolves to those that stay. */
  removeFolders(folders: readonly string[]): Promise<readonly string[]>;
}

export function openFiles(root: string): Files {
  const at = (path: string): string => join(root, path);
  return {
    async read(path) {
      try {
        return await readFile(at(path), "latin1");
      } catch (error) {
        if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return undefined;
        throw error;
      }
    },
    async write(path, content, mode = 0o644) {
      const made = missingFolders(root, dirname(path));
      await inside(root, dirname(made[0] ?? path)); // before anything is made
      await mkdir(at(dirname(path)), { recursive: true });
      await replace(await inside(root, path), content, mode);
      return made;
    },
    async remove(path) {
      await rm(await inside(root, path));
    },
    list: (folder) => readdir(at(folder)).catch(() => []), // it need not be there
    async removeFolders(folders) {
      const stay: string[] = [];
      for (const folder of [...folders].sort((a, b) => b.length - a.length)) {
        try {
          await rmdir(at(folder));
        } catch (error) {
          if (errorCode(error) === "ENOENT") continue;
          if (errorCode(error) !== "ENOTEMPTY") throw error;
          stay.push(folder);
        }
      }
      return stay;
    },
  };
}

function missingFolders(root: string, folder: string): readonly string[] {
  if (existsSync(join(root, folder))) return [];
  return [...missingFolders(root, dirname(folder)), folder];
}

/** A link is followed, and replaced at its end; but never to outside of the root folder. */
async function inside(root: string, path: string): Promise<string> {
  const target = join(root, path);
  const real = existsSync(target)
    ? await realpath(target)
    : join(await realpath(dirname(target)), target.slice(dirname(target).length));
  const top = await realpath(root);
  if (top === sep || real === top || real.startsWith(top + sep)) return real;
  throw new RegistryError(
    "DENIED",
    `${path} is a link to ${quote(real)}, outside of ${root}: nothing is changed there`,
  );
}

async function replace(path: string, content: string, mode: number): Promise<void> {
  const known = existsSync(path) ? await stat(path) : undefined;
  const temporary = `${path}.${randomBytes(4).toString("hex")}`;
  const file = await open(temporary, "wx", known ? known.mode & 0o7777 : mode);
  try {
    await file.chmod(known ? known.mode & 0o7777 : mode);
    if (known && process.getuid?.() === 0) await file.chown(known.uid, known.gid);
    await file.writeFile(content, "latin1");
    await file.sync();
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    await file.close().catch(() => {}); // it may be closed
    await rm(temporary, { force: true });
    // A file that is mounted, as /etc/hosts is in containers, can only be written in place.
    if (errorCode(error) !== "EBUSY") throw error;
    await writeFile(path, content, "latin1");
  }
  await syncFolder(dirname(path));
}
