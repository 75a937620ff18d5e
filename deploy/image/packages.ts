import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { normalName } from "../../src/layout/tar/entries.ts";
import { entriesOf } from "../../src/layout/tar/tar-stream.ts";
import { piecesOf } from "../../src/registry/pieces.ts";
import { joinChunks, streamOf } from "../../src/registry/streams.ts";

/** A package of Debian, unpacked in memory. */
export interface DebianPackage {
  readonly name: string;
  /** What dpkg keeps about it: name, version, maintainer and so on, a field a line. */
  readonly control: string;
  /** By paths from the root; links by what they point at. */
  readonly files: ReadonlyMap<string, Uint8Array | { readonly target: string }>;
}

/** For so long it is not asked again what the newest packages are. */
const listAgeMs = 60 * 60_000;

/**
 * Takes packages from the machine's own mirror of Debian, in its own release, also for another architecture. Nothing is
 * installed, and the machine's own lists stay as they are.
 * @param folder keeps lists and packages, for the next time
 * @throws with what apt says
 */
export async function fetchPackages(
  names: readonly string[],
  architecture: string,
  folder: string,
): Promise<readonly DebianPackage[]> {
  const work = join(folder, architecture);
  const flags = prepare(work, architecture);
  const stamp = join(work, "downloaded");
  if (ageMs(stamp) > listAgeMs || readFileSync(stamp, "utf8") !== names.join("\n")) {
    for (const file of packageFiles(work)) rmSync(file);
    run("apt-get", [...flags, "-qq", "update"], work);
    run("apt-get", [...flags, "-qq", "download", ...names], work);
    writeFileSync(stamp, names.join("\n"));
  }
  return Promise.all([...packageFiles(work)].sort().map(unpack));
}

function packageFiles(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".deb"))
    .map((name) => join(folder, name));
}

/** Makes what apt wants, for itself alone. @returns the flags that make it use that */
function prepare(work: string, architecture: string): readonly string[] {
  for (const part of ["lists/partial", "cache/archives/partial"])
    mkdirSync(join(work, part), { recursive: true });
  writeFileSync(join(work, "sources.list"), ownSources().join(""));
  const options = {
    "APT::Architecture": architecture,
    "APT::Architectures": architecture,
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
    "Acquire::Retries": "3",
    "Dir::Cache": join(work, "cache"),
    "Dir::Etc::sourcelist": join(work, "sources.list"),
    "Dir::Etc::sourceparts": "-",
    "Dir::State::lists": join(work, "lists"),
    "Dir::State::status": "/dev/null",
  };
  return Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}

/** The machine's own sources that are of Debian, with its updates. */
function ownSources(): readonly string[] {
  const format = "$(REPO_URI) $(RELEASE) $(COMPONENT)";
  const listed = run("apt-get", ["indextargets", "--format", format, "Created-By: Packages"], "/");
  const lines = new TextDecoder().decode(listed).split("\n");
  const ours = lines.filter((line) => /\/debian(-security)?\/? \S+ main$/.test(line));
  if (ours.length === 0) {
    throw new Error(
      "the base is made of Debian's packages, but apt of this machine names no mirror of Debian: build on Debian",
    );
  }
  const keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
  return [...new Set(ours)].map((line) => `deb [signed-by=${keys}] ${line}\n`);
}

async function unpack(file: string): Promise<DebianPackage> {
  const control = new TextDecoder().decode(run("dpkg-deb", ["--field", file], "/"));
  const files = new Map<string, Uint8Array | { readonly target: string }>();
  for await (const { entry, content } of entriesOf(
    piecesOf(streamOf(run("dpkg-deb", ["--fsys-tarfile", file], "/"))),
  )) {
    const path = normalName(entry.name);
    if (entry.type === "symlink" || entry.type === "link") files.set(path, { target: entry.linkName });
    if (entry.type === "file") files.set(path, joinChunks(await Array.fromAsync(content())));
  }
  return { name: /^Package: (.*)$/m.exec(control)?.[1] ?? "", control, files };
}

/** Milliseconds since a file was changed; for ever, if it is not there. */
function ageMs(path: string): number {
  const found = statSync(path, { throwIfNoEntry: false });
  return found ? Date.now() - found.mtimeMs : Number.POSITIVE_INFINITY;
}

function run(command: string, args: readonly string[], cwd: string): Uint8Array {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, maxBuffer: 1024 ** 3 });
  if (status === 0) return stdout;
  const what = args.filter((arg) => arg !== "-o" && !/^[\w:]+=/.test(arg)).join(" ");
  throw new Error(`${command} ${what} failed: ${error?.message ?? stderr.toString().trim()}`);
}
