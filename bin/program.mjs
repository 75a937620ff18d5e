// The program that `berth` runs: Berth's own code and its dependencies in a few files, which start faster
// than some hundred do. A package has it ready; in a checkout it is made when the sources have changed.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { findBun, root, run } from "./runtime.mjs";

/** What a package contains. */
const packaged = join(root, "dist", "program");
const made = join(root, "node_modules", ".cache", "berth");
const sources = join(root, "src");
const entries = [
  ...["cli/main.ts", "server/worker.ts", "store/metadata/sqlite/checkpoint-worker.ts"],
  "store/metadata/sqlite/verification/integrity-worker.ts",
];
/** A server that still runs may load a part of its program later. */
const keptMs = 7 * 24 * 60 * 60 * 1000;

/** Runs Berth's command line, see `run`. The working folder stays the caller's. */
export function runBerth(args) {
  const bun = findBun();
  return run(bun, [findProgram(bun), ...args]);
}

/** The file to run. */
export function findProgram(bun) {
  // npm leaves the lockfile out of packages.
  if (!existsSync(join(root, "package-lock.json"))) return join(packaged, "main.js");
  const folder = join(made, newestChange());
  const program = join(folder, "main.js");
  if (existsSync(program)) return program;
  const fresh = `${folder}.${process.pid}`;
  try {
    mkdirSync(made, { recursive: true });
    removeOld();
    buildProgram(bun, fresh);
    renameSync(fresh, folder);
  } catch {
    rmSync(fresh, { recursive: true, force: true });
    // Made by another process meanwhile, or not to be made here: the sources run as well.
  }
  return existsSync(program) ? program : join(sources, "cli", "main.ts");
}

/** Makes the program. @throws with what the bundler says */
export function buildProgram(bun, folder) {
  // Bytecode saves the reading of the program at each start; Bun makes it of CommonJS alone.
  bundle(bun, ["--target=bun", "--format=cjs", "--bytecode", `--outdir=${folder}`]);
}

/** Bundles the program and what it starts as threads and processes, in one folder. @throws with what Bun says */
export function bundle(bun, options) {
  const files = entries.map((entry) => join(sources, entry));
  // Packages that ask for their folder would get that of the machine that builds, and every folder give other bytes.
  const nowhere = ["--define=__dirname='/'", "--define=__filename='/'"];
  const kind = ["--minify-syntax", "--minify-whitespace", "--entry-naming=[name].js", ...nowhere];
  const { status, stderr, error } = spawnSync(bun, ["build", ...kind, ...options, ...files], {
    cwd: root,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`could not build Berth: ${error?.message ?? stderr}`);
}

/** Changes with every file that the program is made of. */
function newestChange() {
  let newest = 0;
  let count = 0;
  for (const entry of readdirSync(sources, { recursive: true, withFileTypes: true })) {
    newest = Math.max(newest, statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs);
    count++;
  }
  const lockfile = statSync(join(root, "package-lock.json")).mtimeMs;
  return `${Math.round(Math.max(newest, lockfile))}-${count}`;
}

function removeOld() {
  for (const name of readdirSync(made)) {
    const folder = join(made, name);
    if (Date.now() - statSync(folder).mtimeMs > keptMs) rmSync(folder, { recursive: true, force: true });
  }
}
