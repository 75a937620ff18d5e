import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode } from "../../registry/files/durable.ts";

/** The files of a machine as they were when each was first looked at, so that a plan is a function of them. */
export interface Machine {
  /** Whether there is a file or folder. */
  has(path: string): boolean;
  /** A file's bytes, each as one character (Latin-1), so that nothing is lost; `undefined` when there is no such file. */
  read(path: string): string | undefined;
}

/**
 * The machine whose files are below `root`; `/` is this one.
 * @throws what reading throws, also later, apart from ENOENT
 */
export function openMachine(root: string): Machine {
  const files = new Map<string, string | undefined>();
  return {
    has: (path) => existsSync(join(root, path)),
    read(path) {
      if (!files.has(path)) files.set(path, readIfThere(join(root, path)));
      return files.get(path);
    },
  };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return undefined;
    throw error;
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
