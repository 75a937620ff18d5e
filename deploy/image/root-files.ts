import { basename, dirname, relative } from "node:path/posix";
import type { LayerEntry } from "../../src/layout/layer-tar.ts";
import { readElf } from "./elf.ts";
import type { DebianPackage } from "./packages.ts";

/** The user that Berth runs as, and that owns its data. */
export const userId = 10_001;

/** Packages that the base takes files from: the name of the release, and the C library. */
export const basePackages = ["base-files", "libc6"];

/** Settings that a person replaces by a file of their own. */
const settings = `# Settings of Berth, replaced by mounting a file here. The environment wins over them; where Berth listens and its
# data is are set there.

# docker stop waits 10 seconds, and kills then.
stop-seconds: 8
`;

const texts: Readonly<Record<string, string>> = {
  "etc/passwd": `root:x:0:0:root:/nonexistent:/usr/sbin/nologin\nberth:x:${userId}:${userId}:Berth:/home/berth:/usr/sbin/nologin\n`,
  "etc/group": `root:x:0:\nberth:x:${userId}:\n`,
  "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
  "etc/berth/berth.yaml": settings,
};

/**
 * What an image has beside the program: the libraries that the program needs and nothing else of their packages but
 * their licenses, what dpkg says of them (where scanners look), a user, and folders for data and logins.
 * @throws when the packages have not all that the program needs
 */
export function baseFiles(program: Uint8Array, packages: readonly DebianPackage[]): readonly LayerEntry[] {
  const encoder = new TextEncoder();
  const own = Object.entries(texts).map(([path, text]) => file(path, encoder.encode(text)));
  return [
    ...own,
    ...librariesOf(program, packages),
    ...packages.flatMap(recordOf),
    file("usr/lib/os-release", contentAt(packages, "usr/lib/os-release")),
    { path: "etc/os-release", type: "symlink", linkName: "../usr/lib/os-release" },
    { path: "data", type: "folder", owner: userId, mode: 0o750 },
    { path: "home/berth", type: "folder", owner: userId, mode: 0o700 }, // for logins of `docker exec registry berth`
    { path: "tmp", type: "folder", mode: 0o1777 },
  ];
}

function file(path: string, content: Uint8Array): LayerEntry {
  return { path, type: "file", content };
}

/** License and version of a package. */
function recordOf({ name, control, files }: DebianPackage): readonly LayerEntry[] {
  const copyright = files.get(`usr/share/doc/${name}/copyright`);
  return [
    file(`var/lib/dpkg/status.d/${name}`, new TextEncoder().encode(control)),
    ...(copyright instanceof Uint8Array ? [file(`usr/share/doc/${name}/copyright`, copyright)] : []),
  ];
}

/** The libraries that a program needs, those that they need, and the program that loads them. */
function librariesOf(program: Uint8Array, packages: readonly DebianPackage[]): readonly LayerEntry[] {
  const { needed, interpreter, architecture } = readElf(program);
  if (!interpreter) throw new Error("the program is linked with no library: it needs no base");
  const found = new Map<string, LayerEntry>();
  const folder = `usr/lib/${{ amd64: "x86_64", arm64: "aarch64" }[architecture]}-linux-gnu`;
  for (const names = [...needed]; names.length > 0; ) {
    const name = names.pop() ?? "";
    if (found.has(name)) continue;
    const content = contentNamed(packages, name);
    const library = readElf(content);
    if (library.architecture !== architecture)
      throw new Error(`${name} is for ${library.architecture}, the program for ${architecture}`);
    found.set(name, { ...file(`${folder}/${name}`, content), mode: 0o755 });
    names.push(...library.needed);
  }
  const link = `usr${interpreter}`;
  const loader = relative(dirname(link), `${folder}/${basename(interpreter)}`);
  const [top = ""] = interpreter.split("/").slice(1); // lib or lib64, as it is called since ever
  return [
    ...found.values(),
    { path: link, type: "symlink", linkName: loader },
    { path: top, type: "symlink", linkName: `usr/${top}` },
  ];
}

/** @throws when no package has it */
function contentNamed(packages: readonly DebianPackage[], name: string): Uint8Array {
  for (const { files } of packages) {
    for (const path of files.keys()) if (path.endsWith(`/${name}`)) return contentAt(packages, path);
  }
  throw new Error(
    `the program needs ${name}, which none of ${packages.map((one) => one.name).join(", ")} has`,
  );
}

/** A file's content, links followed. */
function contentAt(packages: readonly DebianPackage[], path: string): Uint8Array {
  for (const { files } of packages) {
    const found = files.get(path);
    if (found instanceof Uint8Array) return found;
    if (found) return contentAt(packages, resolveLink(path, found.target));
  }
  throw new Error(`no package has ${path}`);
}

function resolveLink(path: string, target: string): string {
  return target.startsWith("/") ? target.slice(1) : `${path.slice(0, path.lastIndexOf("/") + 1)}${target}`;
}
