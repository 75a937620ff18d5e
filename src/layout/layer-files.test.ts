import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Act, filesOf, tarOf } from "../../tests/fixtures/layers.ts";
import { makeTemporaryFolder, succeed } from "../../tests/fixtures/processes.ts";
import { repositoryA as a, bytesFor, errorOf, pushBlob } from "../registry/contract/fixtures.ts";
import { createMemoryRegistry } from "../registry/memory.ts";
import { endMark, smallFile } from "./archive/write.ts";
import { withLayer } from "./layer-files.ts";

let folder: string;
beforeAll(async () => {
  folder = await makeTemporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

describe("withLayer", () => {
  const file = (path: string, seed = 1): Act => ({ path, kind: "file", seed });
  const pathsOf = async (...layers: readonly (readonly Act[])[]) =>
    [...(await filesOf(layers.map(tarOf))).keys()].sort();

  test("withLayer lays files over those below", async () => {
    const files = await filesOf([tarOf([file("a", 1), file("d/b", 2)]), tarOf([file("a", 3)])]);
    expect([...files].map(([path, { size }]) => [path, size])).toEqual([
      ["a", 300],
      ["d/b", 200],
    ]);
  });

  test("withLayer takes away what a whiteout names, a folder with all in it", async () => {
    const below = [file("a"), { path: "d", kind: "folder", seed: 0 }, file("d/b"), file("dd")] as const;
    expect(await pathsOf(below, [{ path: "d", kind: "gone", seed: 0 }])).toEqual(["a", "dd"]);
    expect(await pathsOf(below, [{ path: "a", kind: "gone", seed: 0 }])).toEqual(["d", "d/b", "dd"]);
  });

  test("withLayer keeps of an opaque folder what its own layer has, wherever the mark stands", async () => {
    const below = [{ path: "d", kind: "folder", seed: 0 }, file("d/old"), file("e")] as const;
    const opaque: Act = { path: "d", kind: "opaque", seed: 0 };
    expect(await pathsOf(below, [file("d/new"), opaque])).toEqual(["d", "d/new", "e"]);
    expect(await pathsOf(below, [opaque, file("d/new")])).toEqual(["d", "d/new", "e"]);
  });

  test("withLayer takes away what was in a folder when a file takes its place", async () => {
    const below = [{ path: "d", kind: "folder", seed: 0 }, file("d/b")] as const;
    expect(await pathsOf(below, [file("d")])).toEqual(["d"]);
  });

  test("withLayer gives a hard link the content of what it points at, and a symbolic one its target", async () => {
    const root = join(folder, "links");
    await mkdir(root);
    await writeFile(join(root, "a"), "12345");
    await symlink("a", join(root, "s"));
    await succeed("sh", ["-c", "ln a b && tar -cf ../links.tar ."], { cwd: root });
    const files = await filesOf([gzipSync(await readFile(join(folder, "links.tar")))]);
    const [one, link] = ["a", "b"].map((path) => files.get(path));
    expect(one).toMatchObject({ type: "file", size: 5 });
    expect(link?.content).toBe(one?.content ?? "");
    expect(files.get("s")).toMatchObject({ type: "symlink", target: "a", size: 0 });
  });

  test("withLayer names the layer when it is cut off, damaged or no tar", async () => {
    const registry = createMemoryRegistry();
    const whole = tarOf([file("a", 20)]);
    for (const bytes of [whole.subarray(0, 1000), gzipSync(whole).subarray(0, -9), bytesFor(1)]) {
      const descriptor = await pushBlob(registry, a, bytes);
      const read = withLayer(new Map(), { registry, repository: a }, descriptor);
      expect((await errorOf(read, "MANIFEST_INVALID")).message).toContain(descriptor.digest);
    }
  });
});

test("a path that is read is within the image", async () => {
  const files = await filesOf([Buffer.concat([...smallFile("./a//b/../c", bytesFor(1, 10)), endMark])]);
  expect([...files.keys()].map((name) => dirname(name))).toEqual(["a/b/.."]); // shown as it stands, never opened
});
