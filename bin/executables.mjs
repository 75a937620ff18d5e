// `npm run executables`: Berth as one file for each platform, with the runtime inside. `-- linux-arm64` makes that alone.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bundle } from "./program.mjs";
import { fail, findBun, installDependencies, root, runNpm } from "./runtime.mjs";

/** What executables are made for: the package of npm that has Bun for it, and what Bun calls it. */
const platforms = {
  "linux-x64": { package: "@oven/bun-linux-x64", target: "bun-linux-x64" },
  "linux-arm64": { package: "@oven/bun-linux-aarch64", target: "bun-linux-arm64" },
  "darwin-x64": { package: "@oven/bun-darwin-x64", target: "bun-darwin-x64" },
  "darwin-arm64": { package: "@oven/bun-darwin-aarch64", target: "bun-darwin-arm64" },
};

const cache = join(root, "node_modules", ".cache", "berth-runtimes");

/** Makes the executable for a platform in a folder. @returns its path @throws with what went wrong */
export function buildExecutable(platform, folder) {
  const { target, package: name } = platforms[platform];
  const file = join(folder, `berth-${platform}`);
  mkdirSync(folder, { recursive: true });
  bundle(findBun(), [
    "--compile",
    // In parts, only what a command needs is read. Bytecode would start 12 ms sooner and take 9 MB more.
    ...["--splitting", "--chunk-naming=part-[hash].js"],
    `--target=${target}`,
    `--compile-executable-path=${findRuntime(name)}`,
    // What stands in the folder where somebody runs a command is not Berth's.
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    `--outfile=${file}`,
  ]);
  return file;
}

/** The Bun of another platform, in the version and with the bytes that package-lock.json names. */
function findRuntime(name) {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const { version, integrity } = packages[`node_modules/${name}`];
  const folder = join(cache, `${name.split("/")[1]}-${version}`);
  const runtime = join(folder, "package", "bin", "bun");
  if (existsSync(runtime)) return runtime;
  mkdirSync(cache, { recursive: true });
  const fresh = mkdtempSync(join(cache, "fresh-"));
  try {
    unpack(download(`${name}@${version}`, fresh), integrity, fresh);
    chmodSync(join(fresh, "package", "bin", "bun"), 0o755);
    renameSync(fresh, folder);
  } catch (error) {
    if (!existsSync(runtime)) throw error; // another process did it meanwhile
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return runtime;
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
    throw new Error(`${archive} is not what package-lock.json names: its ${algorithm} is ${found}`);
  const { status, stderr, error } = spawnSync("tar", ["-xzf", archive, "-C", folder], { encoding: "utf8" });
  if (status !== 0) throw new Error(`could not unpack ${archive}: ${error?.message ?? stderr}`);
  rmSync(archive);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const asked = process.argv.slice(2);
  const unknown = asked.find((name) => !Object.hasOwn(platforms, name));
  if (unknown !== undefined)
    fail(`there is no platform ${unknown}: choose among ${Object.keys(platforms).join(", ")}`);
  installDependencies();
  for (const platform of asked.length > 0 ? asked : Object.keys(platforms)) {
    console.log(buildExecutable(platform, join(root, "dist", "executables")));
  }
}
