// What the commands in this folder share: is the machine ready, where is Bun, and how is a program run in their place.
// Plain Node 20 without dependencies, because it runs before anything is installed.
import { spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const oldestNode = 20;

/** The folder of the package: the checkout, or where npm put it. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

if (Number.parseInt(process.versions.node, 10) < oldestNode) {
  fail(
    `Berth needs Node ${oldestNode} or newer, this is Node ${process.versions.node}: install a newer one and try again`,
  );
}

/** Ends the process with a message. */
export function fail(message) {
  console.error(message);
  process.exit(1);
}

/** Makes `node_modules` hold what the lockfile names. Does nothing, in some milliseconds, when it does already. */
export function installDependencies() {
  if (dependenciesAreInstalled()) return;
  console.error("Installing what package-lock.json names (npm ci) ...");
  const quiet = ["--no-audit", "--no-fund", "--no-progress", "--loglevel=error"];
  // A production setting of the environment must not leave out what the checks and the platform need.
  const all = ["--include=dev", "--include=optional"];
  const { error, status, stdout } = runNpm(["ci", ...quiet, ...all]);
  if (status === 0) return;
  process.stderr.write(stdout ?? "");
  fail(`Could not install the dependencies: ${error?.message ?? `npm ci ended with exit code ${status}`}`);
}

/** Runs npm in the package's folder, the one that started this process if one did. Its errors are shown. */
export function runNpm(args) {
  const options = { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] };
  const started = process.env.npm_execpath;
  if (started && basename(started) === "npm-cli.js")
    return spawnSync(process.execPath, [started, ...args], options);
  return spawnSync("npm", args, { ...options, shell: process.platform === "win32" });
}

function dependenciesAreInstalled() {
  const installed = readPackages("node_modules/.package-lock.json");
  if (!installed) return false;
  const wanted = Object.entries(readPackages("package-lock.json") ?? {});
  return wanted.every(([path, entry]) => {
    if (path === "") return true;
    const found = installed[path];
    if (!found) return Boolean(entry.optional || entry.devOptional);
    return found.version === entry.version && found.integrity === entry.integrity;
  });
}

function readPackages(lockfile) {
  try {
    return JSON.parse(readFileSync(join(root, lockfile), "utf8")).packages;
  } catch {
    return undefined; // not there, or cut off by an install that was interrupted: install again
  }
}

/** The path of the Bun that `package.json` pins; makes it usable when npm did not run its install script. */
export function findBun() {
  const require = createRequire(import.meta.url);
  let folder;
  try {
    folder = dirname(require.resolve("bun/package.json"));
  } catch {
    fail("Berth's dependencies are not installed: run `npm ci` in its folder");
  }
  const executable = join(folder, "bin", "bun.exe"); // so named on every platform
  if (isNativeExecutable(executable)) return executable;
  const installation = spawnSync(process.execPath, ["install.js"], { cwd: folder, encoding: "utf8" });
  // Looked at again, whatever it answered: another process may have done it at the same time.
  if (isNativeExecutable(executable)) return executable;
  // The folder may be another user's. Then Bun runs from where npm put it.
  const inPlace = findPlatformBun(join(dirname(folder), "@oven"));
  if (inPlace) return inPlace;
  fail(
    `Bun, which runs Berth, could not be set up in ${folder}:\n${installation.stderr}${installation.stdout}` +
      "Install again without --ignore-scripts and --omit=optional, as a user who may write to that folder",
  );
}

// npm installs the one package of these that is for this platform; some versions also that of another C library.
function findPlatformBun(folder) {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const executables = names.map((name) =>
    join(folder, name, "bin", process.platform === "win32" ? "bun.exe" : "bun"),
  );
  return executables.find((path) => spawnSync(path, ["--version"]).status === 0);
}

// Until its install script has run, the file is a text that says so.
function isNativeExecutable(path) {
  const magic = ["7f454c46", "cffaedfe", "cafebabe", "4d5a"]; // ELF, Mach-O, Mach-O for several processors, PE
  const start = Buffer.alloc(4);
  try {
    const file = openSync(path, "r");
    readSync(file, start, 0, 4, 0);
    closeSync(file);
  } catch {
    return false;
  }
  return magic.some((bytes) => start.toString("hex").startsWith(bytes));
}

/**
 * Runs a program in this one's place: same terminal, signals handed on. Resolves to its exit code, or to 128 and the
 * signal's number as shells do.
 */
export function run(command, args, options = {}) {
  const child = spawn(command, args, { stdio: "inherit", ...options });
  // A terminal sends its signals to every process of the foreground group, so the program has had these already.
  const atTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  const handlers = {
    SIGTERM: () => child.kill("SIGTERM"),
    SIGINT: () => atTerminal || child.kill("SIGINT"),
    SIGHUP: () => atTerminal || child.kill("SIGHUP"),
  };
  for (const [signal, handler] of Object.entries(handlers)) process.on(signal, handler);
  const watch = whenNpmEnds(() => child.kill("SIGTERM"));
  return new Promise((resolve, reject) => {
    child.once("error", (cause) =>
      reject(new Error(`could not start ${command}: ${cause.message}`, { cause })),
    );
    child.once("exit", (code, signal) => {
      clearInterval(watch);
      for (const [name, handler] of Object.entries(handlers)) process.off(name, handler);
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}

// npm runs this through a shell. A signal for npm ends that shell, which hands nothing on, so that it shows here only by
// another parent. Elsewhere a parent may end as it likes: it may have wanted a server in the background.
function whenNpmEnds(action) {
  if (!["start", "test", "bench", "npx"].includes(process.env.npm_lifecycle_event ?? "")) return undefined;
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    action();
  }, 250);
  return watch;
}
