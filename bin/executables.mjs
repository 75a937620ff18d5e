// `npm run executables`: Berth as one file for each platform, with the runtime inside. `-- linux-arm64` makes that alone.
import { chmodSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { unpackPackage } from "./packages.mjs";
import { bundle } from "./program.mjs";
import { fail, findBun, installDependencies, root } from "./runtime.mjs";

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
  unpackPackage(`${name}@${version}`, integrity, folder);
  chmodSync(runtime, 0o755);
  return runtime;
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
