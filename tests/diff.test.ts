import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { openLayout } from "../src/layout/layout.ts";
import { mediaTypes } from "../src/oci/media-types.ts";
import { parseReference } from "../src/oci/references.ts";
import { describeBytes, imageBytes, jsonBytes, pushBlob } from "../src/registry/contract/fixtures.ts";
import { runBerth } from "./fixtures/command-lines.ts";
import { makeTemporaryFolder, succeed } from "./fixtures/processes.ts";
import { type RunningRegistry, startBerth } from "./fixtures/registries.ts";

setDefaultTimeout(60_000);

let folder: string;
let images: string;
let registry: RunningRegistry;

/** A layer of files, as GNU tar makes it; of a name that ends in a slash, a folder. */
async function tarOf(name: string, files: Readonly<Record<string, string>>): Promise<Uint8Array> {
  const root = join(folder, name);
  await mkdir(root);
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  const owner = ["--owner=0", "--group=0", "--sort=name", "--mtime=@0"];
  await succeed("tar", [...owner, "-cf", `${root}.tar`, "-C", root, "."]);
  return Bun.file(`${root}.tar`).bytes();
}

type Pack = (bytes: Uint8Array) => Uint8Array;

/** Makes a local image. */
async function makeImage(
  name: string,
  config: object,
  layers: readonly Uint8Array[],
  pack: Pack,
): Promise<void> {
  const { registry: host, repository, tag } = parseReference(name);
  const target = openLayout(images).at(host);
  const blobs = [];
  for (const layer of layers) {
    const mediaType = pack === zstdCompressSync ? mediaTypes.ociLayerZstd : mediaTypes.ociLayerGzip;
    blobs.push({ ...(await pushBlob(target, repository, pack(layer))), mediaType });
  }
  const diffIds = layers.map((layer) => describeBytes(layer).digest);
  const whole = jsonBytes({
    os: "linux",
    architecture: "amd64",
    config,
    rootfs: { type: "layers", diff_ids: diffIds },
  });
  const configBlob = { ...(await pushBlob(target, repository, whole)), mediaType: mediaTypes.ociConfig };
  await target.putManifest(repository, {
    bytes: imageBytes(configBlob, blobs),
    mediaType: "",
    tags: tag ? [tag] : [],
  });
}

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  images = join(folder, "images");
  registry = await startBerth();
  const base = await tarOf("base", {
    "etc/os": "one",
    "etc/keep": "same",
    "usr/lib/a": "a".repeat(1000),
    "usr/lib/b": "b",
  });
  const first = await tarOf("first", { "etc/os": "two!", "app/main": "version 1", "tmp/x": "x" });
  const second = await tarOf("second", {
    "etc/os": "one",
    "app/main": "version 2",
    "app/new": "n".repeat(2000),
    "usr/lib/.wh.a": "",
    "tmp/x": "x",
  });
  const run = (more: object) => ({
    Cmd: ["/app/main"],
    Env: ["PATH=/bin", "A=1"],
    Labels: { v: "1", old: "x" },
    ...more,
  });
  await makeImage("app:1", run({ User: "me" }), [base, first], gzipSync);
  const newer = {
    Env: ["PATH=/usr/bin", "B=2"],
    Labels: { v: "2" },
    Cmd: ["/app/main", "-v"],
    ExposedPorts: { "80/tcp": {} },
  };
  await makeImage("app:2", run(newer), [base, second], zstdCompressSync);
});
afterAll(async () => {
  await registry?.stop();
  await rm(folder, { recursive: true, force: true });
});

const run = (...args: readonly string[]) => runBerth(args, { env: { BERTH_IMAGES: images }, cwd: folder });
async function berth(...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await run(...args);
  if (exitCode !== 0) throw new Error(`berth ${args.join(" ")}: ${exitCode}\n${stdout}${stderr}`);
  return stdout;
}

const expected = {
  config: [
    { name: "Cmd", from: ["/app/main"], to: ["/app/main", "-v"] },
    { name: "ExposedPorts.80/tcp", to: {} },
    { name: "User", from: "me" },
  ],
  environment: [
    { name: "A", from: "1" },
    { name: "B", to: "2" },
    { name: "PATH", from: "/bin", to: "/usr/bin" },
  ],
  labels: [
    { name: "old", from: "x" },
    { name: "v", from: "1", to: "2" },
  ],
  files: [
    { kind: "changed", path: "app/main", from: 9, to: 9, what: ["content"] },
    { kind: "added", path: "app/new", size: 2000 },
    { kind: "changed", path: "etc/os", from: 4, to: 3, what: ["content"] },
    { kind: "removed", path: "usr/lib/a", size: 1000 },
  ],
};

describe("berth diff", () => {
  test("diff tells config, environment, labels, layers and files apart, however layers are compressed", async () => {
    const found = JSON.parse(await berth("diff", "--json", "app:1", "app:2"));
    expect(found).toMatchObject(expected);
    const { shared, removed, added } = found.layers;
    expect([shared.length, removed.length, added.length]).toEqual([1, 1, 1]);
    expect(JSON.parse(await berth("diff", "--json", "app:2", "app:1")).files).toMatchObject([
      { kind: "changed", path: "app/main" },
      { kind: "removed", path: "app/new", size: 2000 },
      { kind: "changed", path: "etc/os", from: 3, to: 4 },
      { kind: "added", path: "usr/lib/a", size: 1000 },
    ]);
  });

  test("diff finds nothing between an image and itself", async () => {
    const { config, environment, labels, files, layers } = JSON.parse(
      await berth("diff", "--json", "app:1", "app:1"),
    );
    expect([config, environment, labels, files, layers.added, layers.removed]).toEqual([
      [],
      [],
      [],
      [],
      [],
      [],
    ]);
  });

  test("diff finds the same in archives, layouts and at a registry", async () => {
    await berth("save", "--format", "docker-archive", "-o", join(folder, "one.tar"), "app:1");
    await berth("copy", "--quiet", "local:app:2", "oci:two:latest");
    await berth("copy", "--quiet", "local:app:1", `${registry.host}/team/app:1`);
    for (const from of ["docker-archive:one.tar", `${registry.host}/team/app:1`, "local:app:1"]) {
      expect(JSON.parse(await berth("diff", "--json", from, "oci:two"))).toMatchObject(expected);
    }
  });

  test("diff prints lines for people", async () => {
    const text = await berth("diff", "app:1", "app:2");
    const shown = text.replaceAll(/sha256:[0-9a-f]{64}/g, "DIGEST").replaceAll(/DIGEST \S+/g, "DIGEST SIZE");
    expect(
      shown.replaceAll(/\([\d.]+k?B\), 1/g, "(SIZE), 1").replace(/1 added \([\d.]+k?B\)$/m, "1 added (SIZE)"),
    ).toBe(`  - app:1 DIGEST SIZE
  + app:2 DIGEST SIZE
Config:
  ~ Cmd: ["/app/main"] -> ["/app/main","-v"]
  + ExposedPorts.80/tcp={}
  - User=me
Environment:
  - A=1
  + B=2
  ~ PATH: /bin -> /usr/bin
Labels:
  - old=x
  ~ v: 1 -> 2
Layers: 1 shared (SIZE), 1 removed (SIZE), 1 added (SIZE)
  - DIGEST SIZE
  + DIGEST SIZE
Files: 1 added (SIZE), 1 removed (1kB), 2 changed (-1B)
  ~ /app/main 9B
  + /app/new 2kB
  ~ /etc/os 4B -> 3B
  - /usr/lib/a 1kB
`);
  });

  test("diff --no-files reads no layer", async () => {
    const other = join(folder, "without");
    await berth("copy", "--quiet", "local:app:1", `oci:${other}:1`);
    const manifest = JSON.parse(await Bun.file(join(other, "index.json")).text()).manifests[0];
    const { layers } = await Bun.file(join(other, "blobs", ...manifest.digest.split(":"))).json();
    await rm(join(other, "blobs", ...layers[1].digest.split(":")));
    const found = JSON.parse(await berth("diff", "--json", "--no-files", `oci:${other}`, "app:2"));
    expect([found.layers.added.length, found.files]).toEqual([1, undefined]);
    const { exitCode, stderr } = await run("diff", `oci:${other}`, "app:2");
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(layers[1].digest)]);
  });

  test("diff says what is missing or no image", async () => {
    const missing = await run("diff", "app:1", "local:nothing:1");
    expect([missing.exitCode, missing.stderr]).toEqual([1, expect.stringContaining("library/nothing")]);
    const platform = await run("diff", "--platform", "nonsense", "app:1", "app:2");
    expect(platform.exitCode).toBe(2);
  });
});
