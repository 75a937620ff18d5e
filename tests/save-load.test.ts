import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { writeArchive } from "../src/layout/archive/files.ts";
import { archiveOf } from "../src/layout/archive/write.ts";
import { openLayout } from "../src/layout/layout.ts";
import { parseRepositoryName } from "../src/oci/names.ts";
import { pushImage } from "../src/registry/contract/fixtures.ts";
import { createMemoryRegistry } from "../src/registry/memory.ts";
import { berthProgram, runBerth } from "./fixtures/command-lines.ts";
import { writeLayout } from "./fixtures/layouts.ts";
import { makeTemporaryFolder, startProcess, succeed } from "./fixtures/processes.ts";

setDefaultTimeout(60_000);

const layers = [100, 9_000, 700_000];
let folder: string;
/** Where the images of one test are. */
let images: string;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));
beforeEach(async () => {
  images = join(await mkdtemp(join(folder, "home-")), "images");
});

const run = (args: readonly string[], more: { stdin?: Uint8Array; columns?: number } = {}) =>
  runBerth(args, { env: { BERTH_IMAGES: images }, cwd: folder, ...more });

async function berth(...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await run(args);
  if (exitCode !== 0) throw new Error(`berth ${args.join(" ")}: ${exitCode}\n${stdout}${stderr}`);
  return stdout;
}

/** Makes an image in the local images, under a name. */
async function makeImage(name: string, platforms: readonly string[] = ["linux/amd64"]): Promise<string> {
  const source = join(folder, `source-${name.replaceAll(/\W/g, "-")}-${platforms.length}`);
  const digest = await writeLayout({ folder: source, seed: name, layers, platforms }).catch(async () => "");
  await berth("copy", "--quiet", `oci:${source}:latest`, `local:${name}`);
  return digest;
}

const list = async () =>
  (await berth("image", "ls", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}")).trim().split("\n").sort();

/** Forgets all local images. */
const forget = () => rm(images, { recursive: true, force: true });

describe("berth save and load", () => {
  test("load brings back what save wrote, by file, pipe, and compressed", async () => {
    await makeImage("app:1.0");
    await berth("tag", "app:1.0", "registry.example.com/team/app:1.0");
    const before = await list();
    const archive = join(folder, "app.tar");
    await berth("save", "-o", archive, "app:1.0", "registry.example.com/team/app:1.0");
    const bytes = await readFile(archive);
    const ways: readonly (() => Promise<{ stdout: string }>)[] = [
      () => run(["load", "-q", "-i", archive]),
      () => run(["load", "-q"], { stdin: bytes }),
      () => run(["load", "-q"], { stdin: gzipSync(bytes) }),
      async () => {
        await writeFile(`${archive}.zst`, zstdCompressSync(bytes));
        return run(["load", "-q", "--input", "app.tar.zst"]);
      },
    ];
    for (const way of ways) {
      await forget();
      expect(await way()).toMatchObject({
        exitCode: 0,
        stderr: "",
        stdout: "Loaded image: app:1.0\nLoaded image: registry.example.com/team/app:1.0\n",
      });
      expect(await list()).toEqual(before);
      expect((await readdir(images)).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
    }
  });

  test("save writes the same archive to standard output", async () => {
    await makeImage("app:1.0");
    await berth("save", "-o", join(folder, "one.tar"), "app:1.0");
    const args = [berthProgram, "save", "app:1.0"];
    const saved = Bun.spawn([process.execPath, ...args], { env: { ...process.env, BERTH_IMAGES: images } });
    expect(
      Buffer.compare(Buffer.from(await saved.stdout.bytes()), await readFile(join(folder, "one.tar"))),
    ).toBe(0);
    expect(await saved.exited).toBe(0);
  });

  test("save takes a repository with all its tags, and an image by its ID without a name", async () => {
    await makeImage("app:1.0");
    await makeImage("other:1.0");
    await berth("tag", "app:1.0", "app:2.0");
    const id = (await berth("image", "inspect", "-f", "{{.Id}}", "other:1.0")).trim();
    await berth("save", "-o", join(folder, "some.tar"), "app", id.slice(7, 19));
    await forget();
    const printed = await berth("load", "-q", "-i", join(folder, "some.tar"));
    expect(printed.trim().split("\n").sort()).toEqual(
      [`Loaded image ID: ${id}`, "Loaded image: app:1.0", "Loaded image: app:2.0"].sort(),
    );
  });

  test("save --format docker-archive writes what older programs read", async () => {
    await makeImage("app:1.0");
    const before = await list();
    await berth("save", "--format", "docker-archive", "-o", join(folder, "old.tar"), "app:1.0");
    const names = (await succeed("tar", ["-tf", join(folder, "old.tar")])).split("\n");
    expect(names.filter((name) => /^[0-9a-f]{64}\/layer\.tar$/.test(name))).toHaveLength(layers.length);
    await forget();
    await berth("load", "-i", join(folder, "old.tar"));
    expect(await list()).toEqual(before); // the ID is that of the config, which stays
  });

  test("save keeps an index whole, and load takes of one the platforms that an archive has", async () => {
    await makeImage("multi:1", ["linux/amd64", "linux/arm64", "linux/s390x"]);
    const archive = join(folder, "multi.tar");
    await berth("save", "-o", archive, "multi:1");
    const digestOf = async () => (await openLayout(images).entries())[0]?.descriptor.digest;
    const digest = await digestOf();
    await forget();
    await berth("load", "-i", archive);
    expect(await digestOf()).toBe(digest);
    // As docker saves an image of which it has pulled one platform: the index names others that are not there.
    const unpacked = join(folder, "multi");
    await mkdir(unpacked);
    await succeed("tar", ["-xf", archive, "-C", unpacked]);
    const index = JSON.parse(await readFile(join(unpacked, "blobs", ...(digest ?? "").split(":")), "utf8"));
    for (const { digest: child } of index.manifests.slice(1))
      await rm(join(unpacked, "blobs", ...child.split(":")));
    await succeed("tar", ["-cf", archive, "-C", unpacked, "."]);
    await forget();
    await berth("load", "-i", archive);
    expect(await digestOf()).toBe(index.manifests[0].digest);
  });
});

describe("berth save and load that cannot be done", () => {
  test("load changes nothing when an archive is cut off or something else, wherever it is cut", async () => {
    await makeImage("app:1.0");
    const archive = join(folder, "whole.tar");
    await berth("save", "-o", archive, "app:1.0");
    const bytes = await readFile(archive);
    await forget();
    const cuts = [0, 100, 512, 3000, bytes.byteLength >> 1, bytes.byteLength - 1024];
    for (const cut of cuts) {
      for (const pack of [(part: Uint8Array) => part, gzipSync]) {
        const { exitCode, stderr, stdout } = await run(["load"], { stdin: pack(bytes.subarray(0, cut)) });
        expect([cut, exitCode, stdout]).toEqual([cut, 1, ""]);
        expect(stderr).toMatch(/^berth: .*(cut off|no archive|no tar)/);
        expect(await readdir(images).catch(() => [])).toEqual([]);
      }
    }
    const cutGzip = await run(["load"], { stdin: gzipSync(bytes).subarray(0, -5000) });
    expect([cutGzip.exitCode, cutGzip.stderr]).toEqual([
      1,
      expect.stringMatching(/gzip data are damaged or cut off/),
    ]);
    const missing = await run(["load", "-i", "nothing.tar"]);
    expect([missing.exitCode, missing.stderr]).toEqual([1, expect.stringContaining("nothing.tar")]);
  });

  test("load makes no image when a layer in the archive is damaged, and goes on when the archive is whole", async () => {
    await makeImage("app:1.0");
    const archive = join(folder, "damaged.tar");
    await berth("save", "-o", archive, "app:1.0");
    const bytes = await readFile(archive);
    const at = bytes.byteLength - 2000; // within the last layer
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await writeFile(archive, bytes);
    await forget();
    const { exitCode, stderr } = await run(["load", "-i", archive]);
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringMatching(/the source sent other bytes: .* not sha256:/),
    ]);
    expect((await berth("image", "ls", "-q")).trim()).toBe("");
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await writeFile(archive, bytes);
    await berth("load", "-i", archive);
    expect(await list()).toHaveLength(1);
  });

  test("save and tag say what is missing or wrong, and save leaves no file", async () => {
    await makeImage("app:1.0");
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [["save", "-o", "none.tar", "nothing:here"], 1, /no such image: nothing:here/],
      [["save", "-o", "no/such/folder.tar", "app:1.0"], 1, /no\/such: there is no such file or folder/],
      [["tag", "nothing", "x"], 1, /no such image: nothing:latest/],
      [["tag", "app:1.0", "Upper"], 2, /lower case/],
      [["tag", "app:1.0", `x@sha256:${"0".repeat(64)}`], 2, /leave @/],
      [["image", "history", "nothing"], 1, /no such image/],
      [["image", "ls", "-f", "nope=1"], 2, /there is no filter "nope"/],
      [["image", "ls", "-f", "reference=["], 2, /malformed pattern/],
      [["image", "ls", "-f", "before=nothing"], 1, /no such image/],
      [["image", "ls", "--format", "{{.ID"], 2, /is not closed/],
      [["image", "inspect", "nothing"], 1, /no such image/],
    ];
    for (const [args, code, message] of cases) {
      const { exitCode, stderr } = await run(args);
      expect([args, exitCode]).toEqual([args, code]);
      expect(stderr).toMatch(message);
    }
    expect((await readdir(folder)).filter((name) => name.includes("none"))).toEqual([]);
    const terminal = await run(["save", "app:1.0"], { columns: 80 });
    expect([terminal.exitCode, terminal.stderr]).toEqual([2, expect.stringContaining("terminal")]);
  });

  test("save does not write a layer that is damaged in the layout", async () => {
    await makeImage("app:1.0");
    const [entry] = await openLayout(images).entries();
    const path = (digest: string) => join(images, "blobs", ...digest.split(":"));
    const manifest = JSON.parse(await readFile(path(entry?.descriptor.digest ?? ""), "utf8"));
    await writeFile(path(manifest.layers[2].digest), "short");
    const { exitCode, stderr } = await run(["save", "-o", "never.tar", "app:1.0"]);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(manifest.layers[2].digest)]);
    expect((await readdir(folder)).filter((name) => name.includes("never"))).toEqual([]);
  });
});

test("a damaged image is still listed and can be removed", async () => {
  await makeImage("app:1.0");
  await makeImage("other:1.0");
  const [entry] = await openLayout(images).entries();
  await rm(join(images, "blobs", ...(entry?.descriptor.digest ?? "").split(":")));
  const shown = await berth(
    "image",
    "ls",
    "--format",
    "{{.Repository}}:{{.Tag}} {{.CreatedSince}} {{.Size}}",
  );
  expect(shown).toContain("app:1.0 N/A 0B\n");
  expect(shown).toContain("other:1.0");
  expect((await run(["save", "-o", "never.tar", "app:1.0"])).stderr).toContain("is damaged");
  await berth("image", "rm", "app:1.0");
  expect(await list()).toHaveLength(1);
});

test("load that Ctrl-C ends leaves no image, and goes on afterwards", async () => {
  const registry = createMemoryRegistry();
  const repository = parseRepositoryName("large");
  const layers = [1, 2].map(() => randomBytes(60_000_000));
  const { descriptor } = await pushImage(registry, repository, { layers });
  const archive = join(folder, "large.tar");
  await writeArchive(archive, archiveOf([{ registry, repository, digest: descriptor.digest }]));
  const env = { BERTH_IMAGES: images };
  const interrupted = startProcess(process.execPath, [berthProgram, "load", "--json", "-i", archive], {
    env,
  });
  await interrupted.waitForOutput(/"state":"bytes"/);
  expect(await interrupted.stop("SIGINT")).toBe(130);
  expect((await berth("image", "ls", "-q")).trim()).toBe("");
  const left = await readdir(join(images, ".berth", "ingest")).catch(() => []);
  expect(left.length).toBeGreaterThan(0);
  await berth("load", "-i", archive);
  expect(await list()).toHaveLength(1);
  expect((await readdir(images)).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
});
