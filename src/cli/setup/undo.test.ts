import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  utimes,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { RegistryError } from "../../oci/errors.ts";
import type { RegistryName } from "../../oci/references.ts";
import { applyPlan } from "./apply.ts";
import { engines } from "./engines/engines.ts";
import { type Files, openFiles } from "./files.ts";
import { planHostsLine } from "./hosts-file.ts";
import { openMachine } from "./machine.ts";
import { joinParts, type Plan, type Target } from "./plan.ts";
import { pathBelow } from "./rooted.ts";
import { undoSetup } from "./undo.ts";

const first: Target = { registry: "registry.lan:5000" as RegistryName, host: "registry.lan" };
const second: Target = { registry: "other.lan" as RegistryName, host: "other.lan" };
const { registry } = first;
const pem = "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n";
const noProgram = async (): Promise<void> => {};

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

/** What a file is before; absent if not here. */
interface Before {
  readonly text: string;
  readonly mode: number;
  readonly owner: number;
  /** Whether the path is a link to the file. */
  readonly isLinked: boolean;
}

type Tree = Readonly<Record<string, Before | undefined>>;

const texts: Readonly<Record<string, readonly string[]>> = {
  "/etc/hosts": [
    "",
    "127.0.0.1 localhost\n",
    "# odd\n\n\n127.0.0.1\tlocalhost # x",
    "10.0.0.9\tregistry.lan\n",
  ],
  "/etc/docker/daemon.json": [
    "",
    "{}",
    '{\n\t"debug": true // why\n}',
    '{"insecure-registries":["a"],\r\n"b":1}\r\n',
  ],
  "/etc/docker/certs.d/registry.lan:5000/ca.crt": [pem.replace("AA", "BB")],
  "/etc/containerd/config.toml": [
    "version = 2\n# mine\n[plugins.'io.containerd.grpc.v1.cri'.registry]\n  config_path = ''",
    "version = 3",
  ],
  "/etc/containerd/certs.d/registry.lan:5000/hosts.toml": ["# mine", "server = 'https://mirror.lan' # x\n"],
  "/etc/containers/registries.conf.d/x.conf": ["# \xe4\n"],
  "/etc/buildkit/buildkitd.toml": ["# mine\n[registry.'registry.lan:5000'] # y\n  mirrors = ['m']"],
};

const tree: fc.Arbitrary<Tree> = fc.record(
  Object.fromEntries(
    Object.entries(texts).map(([path, known]) => [
      path,
      fc.option(
        fc.record({
          text: fc.constantFrom(...known),
          mode: fc.constantFrom(0o644, 0o600, 0o640),
          owner: fc.constantFrom(0, 1234),
          isLinked: fc.boolean(),
        }),
        { nil: undefined },
      ),
    ]),
  ),
);

async function make(before: Tree): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "berth-undo-"));
  folders.push(root);
  for (const folder of ["etc/docker", "etc/containerd", "etc/containers", "etc/buildkit", "var/lib"])
    await mkdir(join(root, folder), { recursive: true });
  for (const [path, one] of Object.entries(before)) {
    if (!one) continue;
    const real = one.isLinked ? `/srv${path}` : path;
    await mkdir(dirname(join(root, path)), { recursive: true });
    await Bun.write(join(root, real), Buffer.from(one.text, "latin1"));
    await chmod(join(root, real), one.mode);
    if (process.getuid?.() === 0) await chown(join(root, real), one.owner, one.owner);
    await utimes(join(root, real), 1_700_000_000, 1_700_000_000);
    if (one.isLinked) await symlink(real, join(root, path));
  }
  return root;
}

/** Everything below a folder, by its path. */
async function stateOf(root: string): Promise<Readonly<Record<string, unknown>>> {
  const names = await readdir(root, { recursive: true });
  const entries = names.map(async (name) => {
    const path = join(root, name);
    const stats = await lstat(path);
    const { mode, mtimeMs, uid, gid } = stats;
    if (stats.isSymbolicLink()) return [name, await readlink(path)];
    return [
      name,
      stats.isFile() ? { mode, mtimeMs, uid, gid, text: await readFile(path, "latin1") } : "folder",
    ];
  });
  return Object.fromEntries(await Promise.all(entries));
}

type Scheme = "https" | "http";

function planFor(root: string, scheme: Scheme, target = first): Plan {
  const machine = openMachine(root);
  const parts = engines.map((engine) =>
    scheme === "https"
      ? engine.trust(target, pem, machine)
      : (engine.allowPlainHttp?.(target, machine) ?? {}),
  );
  return joinParts([planHostsLine(machine, target.host, "10.0.0.1"), ...parts]);
}

class Killed extends Error {}

/** Files whose process ends before their n-th change, and leaves what it was about to write half written beside. */
function killedAt(root: string, changes: number): Files {
  const files = openFiles(root);
  let left = changes;
  const live = async (path?: string): Promise<void> => {
    left -= 1;
    if (left > 0) return;
    const place = path === undefined ? undefined : pathBelow(root, path);
    if (left === 0 && place !== undefined && existsSync(dirname(place)))
      await Bun.write(`${place}.berth-setup`, "half");
    throw new Killed();
  };
  return {
    ...files,
    write: (path, ...rest) => live(path).then(() => files.write(path, ...rest)),
    remove: (path) => live().then(() => files.remove(path)),
    tidy: (path) => live().then(() => files.tidy(path)),
    removeFolders: (all) => live().then(() => files.removeFolders(all)),
  };
}

async function applyTo(root: string, scheme: Scheme, files = openFiles(root), target = first): Promise<void> {
  const place = { files, registry: target.registry, run: noProgram };
  await applyPlan(planFor(root, scheme, target), place);
}

async function killing(act: () => Promise<unknown>): Promise<void> {
  await act().catch((error: unknown) => {
    const cause = error instanceof RegistryError ? error.cause : error;
    if (!(cause instanceof Killed)) throw error;
  });
}

setDefaultTimeout(30_000);

const scheme = fc.constantFrom<Scheme>("https", "http");
const runs = { numRuns: 25 };

describe("undoSetup", () => {
  test("undoSetup leaves every file as it was, with its mode, owner and time, also twice", async () => {
    await fc.assert(
      fc.asyncProperty(tree, scheme, async (before, how) => {
        const root = await make(before);
        const state = await stateOf(root);
        await applyTo(root, how);
        expect(planFor(root, how).files).toEqual([]);
        const undone = await undoSetup(openFiles(root), registry, noProgram);
        expect(undone?.some(({ outcome }) => outcome === "kept")).toBe(false);
        expect(await stateOf(root)).toEqual(state);
        expect(await undoSetup(openFiles(root), registry, noProgram)).toBeUndefined();
        expect(await stateOf(root)).toEqual(state);
      }),
      runs,
    );
  });

  test("undoSetup leaves every file as it was when two registries are taken back, in whatever order", async () => {
    await fc.assert(
      fc.asyncProperty(tree, scheme, scheme, fc.boolean(), async (before, one, two, isFirstFirst) => {
        const root = await make(before);
        const state = await stateOf(root);
        const files = openFiles(root);
        await applyTo(root, one);
        await applyTo(root, two, files, second);
        for (const { registry } of isFirstFirst ? [first, second] : [second, first]) {
          const undone = (await undoSetup(files, registry, noProgram)) ?? [];
          const kept = undone.filter(({ outcome }) => outcome === "kept").map(({ path }) => path);
          // A line of the hosts file that was changed, and not added, stays until the other is taken back.
          expect(["", "/etc/hosts"]).toContain(kept.join());
        }
        await undoSetup(files, registry, noProgram);
        expect(await stateOf(root)).toEqual(state);
      }),
      runs,
    );
  });

  test("undoSetup and another setup put right what one left that was killed, and undoSetup what an undoSetup left", async () => {
    const point = fc.integer({ min: 1, max: 14 });
    await fc.assert(
      fc.asyncProperty(tree, scheme, point, fc.boolean(), point, async (before, how, early, again, late) => {
        const root = await make(before);
        const state = await stateOf(root);
        await killing(() => applyTo(root, how, killedAt(root, early)));
        if (again) {
          await applyTo(root, how);
          expect(planFor(root, how).files).toEqual([]);
        }
        await killing(() => undoSetup(killedAt(root, late), registry, noProgram));
        await undoSetup(openFiles(root), registry, noProgram);
        expect(await stateOf(root)).toEqual(state);
      }),
      runs,
    );
  });

  test("applyPlan makes folders that every user may look into, whatever root's umask is", async () => {
    const root = await make({});
    const earlier = process.umask(0o077);
    try {
      await applyTo(root, "https");
    } finally {
      process.umask(earlier);
    }
    for (const path of ["certs.d", `certs.d/${registry}`])
      expect((await lstat(join(root, "etc/containers", path))).mode & 0o777).toBe(0o755);
  });

  test("applyPlan says what is left when a program fails, and when what was done cannot be taken back", async () => {
    const root = await make({ "/etc/hosts": { text: "x\n", mode: 0o644, owner: 0, isLinked: false } });
    const state = await stateOf(root);
    const plan = planFor(root, "https");
    const commands = [{ argv: ["a"], undo: ["b"], why: "" }];
    const failing = async (argv: readonly string[]): Promise<void> => {
      throw new Error(`${argv.join(" ")} broke`);
    };
    const apply = (files: Files) => applyPlan({ ...plan, commands }, { files, registry, run: failing });
    await expect(apply(openFiles(root))).rejects.toThrow(
      'cannot change the system: a broke: the files are as they were, but "b" failed (b broke): run it again',
    );
    expect(await stateOf(root)).toEqual(state);
    const files = openFiles(root);
    const broken = { ...files, remove: () => Promise.reject(new Error("the disk broke")) };
    await expect(apply(broken)).rejects.toThrow(
      "a broke: not everything could be taken back (the disk broke): run berth setup client registry.lan:5000 --undo",
    );
    await undoSetup(files, registry, noProgram);
    expect(await stateOf(root)).toEqual(state);
  });

  test("applyPlan that cannot tell apart what it wrote says so, and keeps its record", async () => {
    const root = await make({ "/etc/hosts": { text: "x\n", mode: 0o644, owner: 0, isLinked: false } });
    const files = openFiles(root);
    const run = async (): Promise<void> => {
      await files.write("/etc/hosts", "10.0.0.7\tregistry.lan\n");
      throw new Error("it broke");
    };
    const commands = [{ argv: ["a"], undo: ["b"], why: "" }];
    const applied = applyPlan({ ...planFor(root, "https"), commands }, { files, registry, run });
    await expect(applied).rejects.toThrow(
      "it broke: not everything could be taken back (others changed /etc/hosts meanwhile): run berth setup client",
    );
    const undone = await undoSetup(files, registry, noProgram);
    expect(undone?.find(({ path }) => path === "/etc/hosts")).toMatchObject({ outcome: "kept" });
  });

  test("undoSetup loses nothing of what others wrote meanwhile", async () => {
    const edit = fc.record({ first: fc.boolean(), last: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(tree, scheme, edit, async (before, how, { first, last }) => {
        const root = await make(before);
        await applyTo(root, how);
        const files = openFiles(root);
        for (const path of Object.keys(texts)) {
          const text = await files.read(path);
          if (text === undefined || path.endsWith(".crt")) continue;
          const remark = path.endsWith(".json") ? "/* theirs */\n" : "# theirs\n";
          await files.write(path, `${first ? remark : ""}${text}${last ? `\n${remark}` : ""}`);
        }
        await undoSetup(files, registry, noProgram);
        for (const [path, one] of Object.entries(before)) {
          if (!one || path.endsWith(".crt")) continue;
          const left = (await files.read(path)) ?? "";
          expect(left.split("theirs").length - 1).toBe(Number(first) + Number(last));
        }
      }),
      runs,
    );
  });
});
