import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { kubernetesPrograms, newerPrograms, unpackKubernetes, unpackNewer } from "./newer-programs.ts";

/** Who drives a program: the tests, or the benchmarks. */
export type Purpose = "tests" | "bench";

interface Program {
  /** Packages of Debian and Ubuntu that bring it, the first one that the machine's release has. */
  readonly packages: readonly string[];
  readonly purposes: readonly Purpose[];
  /** Does its work here for root alone. */
  readonly needsRoot: boolean;
}

const programs = {
  dockerd: { packages: ["docker.io"], purposes: ["tests"], needsRoot: true },
  docker: { packages: ["docker-cli", "docker.io"], purposes: ["tests"], needsRoot: false },
  containerd: { packages: ["containerd"], purposes: ["tests"], needsRoot: true },
  runc: { packages: ["runc"], purposes: ["tests"], needsRoot: true },
  ctr: { packages: ["containerd"], purposes: ["tests"], needsRoot: true },
  skopeo: { packages: ["skopeo"], purposes: ["tests", "bench"], needsRoot: false },
  umoci: { packages: ["umoci"], purposes: ["tests"], needsRoot: false },
  podman: { packages: ["podman"], purposes: ["tests"], needsRoot: true },
  buildah: { packages: ["buildah"], purposes: ["tests"], needsRoot: true },
  "docker-registry": { packages: ["docker-registry"], purposes: ["tests", "bench"], needsRoot: false },
  chromium: { packages: ["chromium"], purposes: ["tests"], needsRoot: false },
  "systemd-analyze": { packages: ["systemd"], purposes: ["tests"], needsRoot: false },
  strace: { packages: ["strace"], purposes: ["tests"], needsRoot: false },
  unzip: { packages: ["unzip"], purposes: ["tests"], needsRoot: false },
  openssl: { packages: ["openssl"], purposes: ["tests"], needsRoot: false },
  ip: { packages: ["iproute2"], purposes: ["tests"], needsRoot: true },
  pebble: { packages: ["pebble"], purposes: ["tests"], needsRoot: true },
  curl: { packages: ["curl"], purposes: ["tests"], needsRoot: false },
  trust: { packages: ["p11-kit"], purposes: ["tests"], needsRoot: true },
  bash: { packages: ["bash"], purposes: ["tests"], needsRoot: false },
  zsh: { packages: ["zsh"], purposes: ["tests"], needsRoot: false },
  fish: { packages: ["fish"], purposes: ["tests"], needsRoot: false },
  nginx: { packages: ["nginx-light", "nginx"], purposes: ["tests", "bench"], needsRoot: false },
  caddy: { packages: ["caddy"], purposes: ["tests"], needsRoot: false },
  wrk: { packages: ["wrk"], purposes: ["bench"], needsRoot: false },
} as const satisfies Record<string, Program>;

/** A program that the suite installs, or counts as skipped where it cannot. */
export type ProgramName = keyof typeof programs;

interface OptionalProgram {
  readonly packages: readonly string[];
  readonly needsRoot: boolean;
  /** Only this one: the machine has another under the same name. */
  readonly path?: string;
}

/** Programs of Debian's unstable suite and of npm, used where they can be had; nobody misses them elsewhere. */
const optionalPrograms = {
  // In no suite of Debian: for machines that have them.
  buildkitd: { packages: [], needsRoot: true },
  buildctl: { packages: [], needsRoot: false },
  crane: { packages: ["crane"], needsRoot: false },
  oras: { packages: ["oras"], needsRoot: false },
  "docker-buildx": {
    packages: ["docker-buildx"],
    needsRoot: true,
    path: join(newerPrograms, "usr", "libexec", "docker", "cli-plugins", "docker-buildx"),
  },
  "docker-compose": {
    packages: ["docker-compose"],
    needsRoot: false,
    path: join(newerPrograms, "usr", "libexec", "docker", "cli-plugins", "docker-compose"),
  },
  "newer-dockerd": {
    packages: ["docker.io", "containerd", "runc"],
    needsRoot: true,
    path: join(newerPrograms, "usr", "sbin", "dockerd"),
  },
  "qemu-aarch64": {
    packages: ["qemu-user"],
    needsRoot: false,
    path: join(newerPrograms, "usr", "bin", "qemu-aarch64"),
  },
  helm: { packages: [], needsRoot: false, path: join(kubernetesPrograms, "helm", "helm") },
  kubectl: { packages: [], needsRoot: false, path: join(kubernetesPrograms, "kubectl", "kubectl") },
} as const satisfies Record<string, OptionalProgram>;

/** A program that is used where it happens to be installed. */
export type OptionalProgramName = keyof typeof optionalPrograms;

const isRoot = process.getuid?.() === 0;
// Servers are in the second half, which is not on everybody's PATH.
const path = `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin:${join(newerPrograms, "usr", "bin")}`;

/** Whether all of these are installed and can do their work for this user. */
export function isAvailable(...names: readonly (ProgramName | OptionalProgramName)[]): boolean {
  return names.every((name) => {
    const { needsRoot } = name in programs ? programs[name as ProgramName] : optionalProgram(name); // checked before
    return findProgram(name) !== null && (isRoot || !needsRoot);
  });
}

/** The absolute path of a program. @throws when it is not installed */
export function programPath(name: ProgramName | OptionalProgramName): string {
  const found = findProgram(name);
  if (!found) throw new Error(`the program ${name} is not installed`);
  return found;
}

function findProgram(name: ProgramName | OptionalProgramName): string | null {
  const only = name in optionalPrograms ? optionalProgram(name).path : undefined;
  if (only !== undefined) return existsSync(only) ? only : null;
  return Bun.which(name, { PATH: path });
}

function optionalProgram(name: string): OptionalProgram {
  return optionalPrograms[name as OptionalProgramName]; // what is no program of the one table is of the other
}

/** Installs what is missing for a purpose, where that can be done, and names what is missing then. */
export function installPrograms(purpose: Purpose): readonly ProgramName[] {
  const missing = missingPrograms(purpose);
  if (!isRoot || !isDebianOrUbuntu()) return missing;
  if (missing.length > 0) {
    console.log(`Installing ${missing.join(", ")} ...`);
    withoutStartingServices(() => {
      apt("update", "-qq");
      apt("install", "-qq", "--yes", "--no-install-recommends", ...packagesOf(missing));
    });
  }
  const optional = missingOptional().filter((name) => optionalPrograms[name].packages.length > 0);
  if (optional.length > 0) {
    console.log(`Unpacking ${optional.join(", ")} ...`);
    const packages = optional.flatMap((name) => optionalPrograms[name].packages);
    unpackNewer(packages, { "qemu-user": "usr/bin/qemu-aarch64" });
  }
  unpackKubernetes();
  return missingPrograms(purpose);
}

function missingOptional(): readonly OptionalProgramName[] {
  const names = Object.keys(optionalPrograms) as OptionalProgramName[]; // the keys of an object literal
  return names.filter((name) => !isAvailable(name));
}

function missingPrograms(purpose: Purpose): readonly ProgramName[] {
  const names = Object.keys(programs) as ProgramName[]; // the keys of an object literal
  const wanted = names.filter((name) => (programs[name] as Program).purposes.includes(purpose)); // widened to ask
  return wanted.filter((name) => !isAvailable(name));
}

function packagesOf(names: readonly ProgramName[]): readonly string[] {
  const chosen = names.map((name) => {
    const candidates: readonly string[] = programs[name].packages;
    return candidates.find(isInstallable) ?? candidates[0] ?? name;
  });
  return [...new Set(chosen)];
}

function isInstallable(packageName: string): boolean {
  const { stdout } = spawnSync("apt-cache", ["policy", packageName], { encoding: "utf8" });
  return /Candidate: (?!\(none\))/.test(stdout ?? "");
}

function apt(command: string, ...args: readonly string[]): void {
  const options = ["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confold"];
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const { status, stdout, stderr } = spawnSync("apt-get", [command, ...options, ...args], {
    env,
    encoding: "utf8",
  });
  if (status !== 0) console.error(`apt-get ${command} failed (${status}):\n${stdout}${stderr}`);
}

function isDebianOrUbuntu(): boolean {
  const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release);
}

// A package that brings a server starts it, and docker-registry would then hold Berth's own port.
function withoutStartingServices(action: () => void): void {
  const policy = "/usr/sbin/policy-rc.d";
  const isOurs = !existsSync(policy);
  if (isOurs) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    action();
  } finally {
    if (isOurs) rmSync(policy);
  }
}

function main(purpose: string | undefined): number {
  if (purpose !== "tests" && purpose !== "bench") {
    console.error(`usage: programs.ts tests|bench, not ${JSON.stringify(purpose)}`);
    return 2;
  }
  const missing = installPrograms(purpose);
  if (missing.length === 0) console.log("every program is there");
  for (const name of missingOptional()) console.log(`not tried with ${name}`);
  for (const name of missing) console.log(`skipped: ${name}, ${reasonOf(name)}`);
  return missing.length > 0 && process.env.CI === "true" ? 1 : 0;
}

function reasonOf(name: ProgramName): string {
  const reason = Bun.which(name, { PATH: path }) ? "which works for root alone" : "which is not installed";
  return `${reason} (Debian package ${programs[name].packages.join(" or ")})`;
}

if (import.meta.main) process.exitCode = main(process.argv[2]);
