import { existsSync, readdirSync, readFileSync, realpathSync, statfsSync } from "node:fs";
import { RegistryError } from "../../oci/errors.ts";
import { errorCode } from "../../registry/files/durable.ts";
import { pathBelow } from "./rooted.ts";

/** The files of a machine as they were when each was first looked at, so that a plan is a function of them. */
export interface Machine {
  /** Whether there is a file or folder. */
  has(path: string): boolean;
  /**
   * A file's bytes, each as one character (Latin-1), so that nothing is lost; `undefined` when there is no such file.
   * @throws RegistryError DENIED when it may not be read; what else reading throws
   */
  read(path: string): string | undefined;
  /** The names in a folder, in their order; none when there is none. @throws as `read` */
  list(folder: string): readonly string[];
  /** The room on the disk that a folder is on; `undefined` when there is no such folder. */
  room(folder: string): { readonly freeBytes: number; readonly totalBytes: number } | undefined;
}

/** The machine whose files are below `root`, which links do not lead out of; `/` is this one. */
export function openMachine(root: string): Machine {
  const top = existsSync(root) ? realpathSync(root) : root;
  const files = new Map<string, string | undefined>();
  return {
    has: (path) => existsSync(pathBelow(top, path)),
    read(path) {
      if (!files.has(path))
        files.set(
          path,
          allowed(path, () => readFileSync(pathBelow(top, path), "latin1")),
        );
      return files.get(path);
    },
    list: (folder) => allowed(folder, () => readdirSync(pathBelow(top, folder)).sort()) ?? [],
    room(folder) {
      const place = pathBelow(top, folder);
      if (!existsSync(place)) return undefined;
      const { bavail, blocks, bsize } = statfsSync(place);
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
    },
  };
}

/** What reading gives; `undefined` when there is nothing. */
export function allowed<T>(path: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (cause) {
    const code = errorCode(cause);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (code !== "EACCES") throw cause;
    throw new RegistryError("DENIED", `${path} may not be read by this user: run it as root, with sudo`, {
      cause,
    });
  }
}

const programFolders = [
  "/usr/bin",
  "/usr/sbin",
  "/usr/local/bin",
  "/usr/local/sbin",
  "/bin",
  "/sbin",
  "/snap/bin",
];

/** Whether a program is installed. */
export function hasProgram(machine: Machine, name: string): boolean {
  return programFolders.some((folder) => machine.has(`${folder}/${name}`));
}
