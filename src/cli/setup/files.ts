import { accessSync, constants, existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { chmod, mkdir, open, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { RegistryError } from "../../oci/errors.ts";
import { errorCode, syncFolder } from "../../registry/files/durable.ts";
import { allowed } from "./machine.ts";
import { pathBelow } from "./rooted.ts";

/**
 * The files below another root folder, whose paths are as if it were `/`, and which links do not lead out of. Contents are
 * Latin-1.
 */
export interface Files {
  /** `undefined` when there is no such file. @throws RegistryError DENIED; what else reading throws */
  read(path: string): Promise<string | undefined>;
  /** When a file was last changed; `undefined` when there is no such file. */
  modified(path: string): Promise<Date | undefined>;
  /**
   * Writes a file as a whole, in place of the one that is there, whose owner and mode it gets; through a link at its end.
   * Makes the folders above it.
   */
  write(path: string, content: string, options?: WriteOptions): Promise<void>;
  remove(path: string): Promise<void>;
  /** Removes what a `write` that was killed left beside a file. */
  tidy(path: string): Promise<void>;
  /** Why a file could not be written, found out without writing; `undefined` when nothing is known against it. */
  refusal(path: string): string | undefined;
  /** The folders that writing these files would make. */
  missingFolders(paths: readonly string[]): readonly string[];
  /** The names in a folder; none when there is none. */
  list(folder: string): Promise<readonly string[]>;
  /** Removes those of the folders that are empty, the deepest first. Resolves to those that stay. */
  removeFolders(folders: readonly string[]): Promise<readonly string[]>;
}

export interface WriteOptions {
  /** Of a file that is made. */
  readonly mode?: number;
  /** When it is to have been changed; now if absent. */
  readonly modified?: Date | undefined;
}

export function openFiles(root: string): Files {
  const top = realpathSync(root);
  const at = (path: string): string => pathBelow(top, path);
  return {
    read: async (path) => allowed(path, () => readFileSync(at(path), "latin1")),
    modified: async (path) => allowed(path, () => statSync(at(path)).mtime),
    async write(path, content, options = {}) {
      const place = at(path);
      await makeFoldersAbove(place);
      await replace(place, content, options);
    },
    remove: (path) => rm(at(path)),
    tidy: (path) => rm(besides(at(path)), { force: true }),
    refusal(path) {
      try {
        requireWritable(at(path));
        return undefined;
      } catch (error) {
        return reasonOf(error);
      }
    },
    missingFolders(paths) {
      const missing = paths.flatMap((path) => missingAbove(at(path)));
      return [...new Set(missing)].map((folder) => (top === "/" ? folder : folder.slice(top.length)));
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

/** @throws RegistryError DENIED, with all that cannot be written and why */
export function requireAllWritable(files: Files, paths: readonly string[]): void {
  const byReason = new Map<string, string[]>();
  for (const path of new Set(paths)) {
    const reason = files.refusal(path);
    if (reason !== undefined) byReason.set(reason, [...(byReason.get(reason) ?? []), path]);
  }
  if (byReason.size === 0) return;
  const faults = [...byReason].map(([reason, refused]) => `${refused.join(", ")}: ${reason}`);
  throw new RegistryError("DENIED", `cannot change ${faults.join("; ")}: nothing was changed`);
}

/** Says why a file cannot be changed, and what to do. */
export function reasonOf(cause: unknown): string {
  const code = errorCode(cause);
  if (code === "EACCES" || (code === "EPERM" && process.getuid?.() !== 0))
    return "not allowed: run it as root, with sudo";
  if (code === "EPERM") return "not even root may write it: it may be immutable (lsattr)";
  if (code === "EROFS") return "its file system is read-only";
  if (code === "EISDIR") return "it is a folder, a file was expected";
  if (code === "ENOTDIR" || code === "EEXIST") return "a part of its path is no folder";
  return cause instanceof Error ? cause.message : String(cause);
}

function requireWritable(place: string): void {
  if (existsSync(place)) {
    if (statSync(place).isDirectory()) throw Object.assign(new Error("is a folder"), { code: "EISDIR" });
    accessSync(place, constants.W_OK);
    return;
  }
  const folder = dirname(missingAbove(place)[0] ?? place);
  if (!statSync(folder).isDirectory()) throw Object.assign(new Error("is a file"), { code: "ENOTDIR" });
  accessSync(folder, constants.W_OK | constants.X_OK);
}

/** The folders above a file that are not there, the highest first. */
function missingAbove(place: string): readonly string[] {
  const folder = dirname(place);
  return existsSync(folder) ? [] : [...missingAbove(folder), folder];
}

/** Whoever runs an engine has to get at what is in them, however strict root's umask is. */
async function makeFoldersAbove(place: string): Promise<void> {
  for (const folder of missingAbove(place)) {
    const made = await mkdir(folder, { recursive: true }); // others may make it just now
    if (made !== undefined) await chmod(folder, 0o755);
  }
}

/** Where a file is written before it takes the place of another. No program reads a name that ends so. */
function besides(place: string): string {
  return `${place}.berth-setup`;
}

async function replace(place: string, content: string, options: WriteOptions): Promise<void> {
  const known = existsSync(place) ? await stat(place) : undefined;
  const beside = besides(place);
  try {
    await rm(beside, { force: true });
    const file = await open(beside, "wx", 0o600);
    try {
      await file.chmod(known ? known.mode & 0o7777 : (options.mode ?? 0o644));
      if (known && process.getuid?.() === 0) await file.chown(known.uid, known.gid);
      await file.writeFile(content, "latin1");
      if (options.modified) await file.utimes(options.modified, options.modified);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, place);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => {}); // it may never have been there; the first error counts
    // A file that is mounted, as /etc/hosts is in containers, can only be written in place.
    if (!known || !["EBUSY", "EROFS", "EACCES", "EPERM"].includes(errorCode(error))) throw error;
    await overwrite(place, content, options);
  }
  await syncFolder(dirname(place));
}

/** At no moment does the file have less than both what it had and what it gets begin with. */
async function overwrite(place: string, content: string, { modified }: WriteOptions): Promise<void> {
  const bytes = Buffer.from(content, "latin1");
  const file = await open(place, "r+");
  try {
    await file.write(bytes, 0, bytes.length, 0);
    await file.truncate(bytes.length);
    if (modified) await file.utimes(modified, modified);
    await file.sync();
  } finally {
    await file.close();
  }
}
