// Packages of npm that are used without being installed: programs for another machine, or for the tests alone.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { runNpm } from "./runtime.mjs";

/**
 * Unpacks a package, such as `@oven/bun-linux-x64@1.4.5`, into a folder that is there only when all of it is.
 * @param integrity what it has to be, as in package-lock.json @throws with what went wrong
 */
export function unpackPackage(what, integrity, folder) {
  mkdirSync(dirname(folder), { recursive: true });
  const fresh = mkdtempSync(`${folder}.fresh-`);
  try {
    unpack(download(what, fresh), integrity, fresh);
    renameSync(fresh, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error; // another process did it meanwhile
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function download(what, folder) {
  const { status, error } = runNpm(["pack", what, "--silent", `--pack-destination=${folder}`]);
  if (status !== 0) throw new Error(`could not get ${what}: ${error?.message ?? `npm ended with ${status}`}`);
  return join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "");
}

function unpack(archive, integrity, folder) {
  const [algorithm, expected] = integrity.split("-"); // base64 has none
  const found = createHash(algorithm).update(readFileSync(archive)).digest("base64");
  if (found !== expected)
    throw new Error(`${archive} is not what was named: its ${algorithm} is ${found}, not ${expected}`);
  const { status, stderr, error } = spawnSync("tar", ["-xzf", archive, "-C", folder], { encoding: "utf8" });
  if (status !== 0) throw new Error(`could not unpack ${archive}: ${error?.message ?? stderr}`);
  rmSync(archive);
}
