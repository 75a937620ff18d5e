import { randomUUID } from "node:crypto";
import { readlinkSync } from "node:fs";
import { readFile, rmdir, stat, unlink, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { RegistryError } from "../../oci/errors.ts";
import { errorCode, unlinkIfThere } from "../../registry/files/durable.ts";
import { ensureFolderFor } from "./files.ts";

/** A lock that is held. */
export interface HeldLock {
  /** @throws RegistryError UNAVAILABLE when this process stood still for so long that another took the lock */
  check(): Promise<void>;
  release(): Promise<void>;
}

/** Whoever changes a layout does so in milliseconds; a lock that is older was left behind. */
const staleMs = 30_000;
/** Nobody needs so long to write its name into a lock, or to break one: it was killed meanwhile. */
const unfinishedMs = 2000;
const waitMs = 60_000;
const firstDelayMs = 1;
const longestDelayMs = 20;

/**
 * Takes the lock at `path` for this process, and waits for others that have it. A lock whose process has ended is
 * broken. The folder is made, and removed again with the lock when nothing else is in it.
 * @throws RegistryError UNAVAILABLE after a minute
 */
export async function takeLock(path: string): Promise<HeldLock> {
  const mine = JSON.stringify({ host: processSpace(), pid: process.pid, id: randomUUID() });
  const deadline = Date.now() + waitMs;
  for (let delay = firstDelayMs; ; delay = Math.min(delay * 2, longestDelayMs)) {
    if (await create(path, mine)) return held(path, mine);
    await breakIfStale(path);
    if (Date.now() > deadline) {
      throw new RegistryError(
        "UNAVAILABLE",
        `another process holds the lock ${path} for more than ${waitMs / 1000} s: wait for it and try again`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, delay * (0.5 + Math.random())));
  }
}

async function create(path: string, content: string): Promise<boolean> {
  try {
    await ensureFolderFor(path, () => writeFile(path, content, { flag: "wx" }));
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

function held(path: string, mine: string): HeldLock {
  return {
    async check() {
      if ((await readIfThere(path)) === mine) return;
      throw new RegistryError(
        "UNAVAILABLE",
        `this process stood still and lost the lock ${path}: nothing was changed, try again`,
      );
    },
    async release() {
      if ((await readIfThere(path)) === mine) await unlink(path);
      await rmdir(dirname(path)).catch(() => {}); // somebody else's files are in it
    },
  };
}

/**
 * Of several that find a stale lock, the one that makes the file beside it removes the lock, if it is still the same.
 */
async function breakIfStale(path: string): Promise<void> {
  const found = await readIfThere(path);
  if (found === undefined || !(await isStale(path, found))) return;
  const breaking = `${path}.breaking`;
  if (!(await create(breaking, ""))) {
    if (await isOlderThan(breaking, unfinishedMs)) await unlinkIfThere(breaking);
    return;
  }
  try {
    if ((await readIfThere(path)) === found) await unlinkIfThere(path);
  } finally {
    await unlinkIfThere(breaking);
  }
}

async function isStale(path: string, content: string): Promise<boolean> {
  return isOfEndedProcess(content) || (await isOlderThan(path, content === "" ? unfinishedMs : staleMs));
}

function isOfEndedProcess(content: string): boolean {
  const holder = /^\{"host":"([^"]*)","pid":(\d+),/.exec(content);
  if (!holder || holder[1] !== processSpace()) return false; // being written, or of another machine: its age decides
  return !isRunning(Number(holder[2]));
}

/** Where process numbers mean the same: a machine, or a container on it. */
export function processSpace(): string {
  space ??= `${hostname()} ${processNamespace()}`;
  return space;
}

let space: string | undefined;

function processNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return ""; // only Linux has them
  }
}

/** Whether a process of this space is running. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) !== "ESRCH";
  }
}

async function isOlderThan(path: string, ms: number): Promise<boolean> {
  try {
    return Date.now() - (await stat(path)).mtimeMs > ms;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
