import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { makeTemporaryFolder, succeed } from "../../tests/fixtures/processes.ts";
import { isAvailable, programPath } from "../../tests/programs.ts";
import { mediaTypes } from "../oci/media-types.ts";
import {
  repositoryA as a,
  bytesFor,
  describeBytes,
  errorOf,
  imageBytes,
  jsonBytes,
  pushBlob,
  tags,
} from "../registry/contract/fixtures.ts";
import { createMemoryRegistry } from "../registry/memory.ts";
import { endMark, smallFile } from "./archive/write.ts";
import { type ImageFiles, withLayer } from "./layer-files.ts";
import { openLayout } from "./layout.ts";
import { plainPlace } from "./names.ts";
import { formatHeader } from "./tar/headers.ts";

/** What one layer does at a path. */
type Act = {
  readonly path: string;
  readonly kind: "file" | "folder" | "gone" | "opaque";
  readonly seed: number;
};

/** A layer as a tar: acts on the same path are left out but the first. */
function tarOf(acts: readonly Act[]): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (const { path, kind, seed } of acts) {
    const slash = path.lastIndexOf("/") + 1;
    if (kind === "file") pieces.push(...smallFile(path, bytesFor(seed, seed * 100)));
    if (kind === "folder" || kind === "opaque")
      pieces.push(formatHeader({ name: `${path}/`, size: 0, type: "folder" }));
    if (kind === "gone")
      pieces.push(...smallFile(`${path.slice(0, slash)}.wh.${path.slice(slash)}`, new Uint8Array(0)));
    if (kind === "opaque") pieces.push(...smallFile(`${path}/.wh..wh..opq`, new Uint8Array(0)));
  }
  return Buffer.concat([...pieces, endMark]);
}

async function filesOf(layers: readonly Uint8Array[]): Promise<ImageFiles> {
  const registry = createMemoryRegistry();
  let files: ImageFiles = new Map();
  for (const layer of layers) {
    const descriptor = await pushBlob(registry, a, layer);
    files = await withLayer(files, { registry, repository: a }, descriptor);
  }
  return files;
}

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

  const path = fc
    .array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 })
    .map((parts) => parts.join("/"));
  const act: fc.Arbitrary<Act> = fc.record({
    path,
    kind: fc.constantFrom("file", "file", "folder", "gone", "opaque"),
    seed: fc.integer({ min: 1, max: 5 }),
  }) as fc.Arbitrary<Act>; // safe: constantFrom gives one of its arguments
  const layer = fc.uniqueArray(act, { selector: ({ path }) => path, maxLength: 5 }).map(sane);

  /** A layer that a file system could have made: no file below a file, nothing below what it takes away. */
  function sane(acts: readonly Act[]): readonly Act[] {
    const sorted = [...acts].sort((one, other) => (one.path < other.path ? -1 : 1));
    const possible = sorted.filter(
      ({ path }) =>
        !sorted.some(
          (other) => path.startsWith(`${other.path}/`) && (other.kind === "file" || other.kind === "gone"),
        ),
    );
    const named = new Set(possible.map(({ path }) => path));
    const parents = possible.flatMap(({ path }) =>
      [...path.matchAll(/\//g)]
        .map(({ index }) => path.slice(0, index))
        .filter((parent) => !named.has(parent)),
    );
    const folders = [...new Set(parents)].map((path): Act => ({ path, kind: "folder", seed: 0 }));
    return [...folders, ...possible].sort((one, other) => (one.path < other.path ? -1 : 1));
  }

  test.skipIf(!isAvailable("umoci"))(
    "withLayer has the files that umoci unpacks, whatever the layers do",
    async () => {
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(layer, { minLength: 1, maxLength: 4 }), async (layers) => {
          const tars = layers.map(tarOf);
          const ours = [...(await filesOf(tars))].filter(([, { type }]) => type === "file");
          const sizes = Object.fromEntries(ours.map(([name, { size }]) => [name, size]));
          expect(sizes).toEqual(await unpackWithUmoci(join(folder, `umoci-${run++}`), tars));
        }),
        { numRuns: 40 },
      );
    },
    60_000,
  );
});

/** Sizes of the files that umoci unpacks from an image of these layers. */
async function unpackWithUmoci(at: string, layers: readonly Uint8Array[]): Promise<Record<string, number>> {
  const registry = openLayout(join(at, "layout")).at(plainPlace.registry);
  const { repository } = plainPlace;
  const diffIds = layers.map((bytes) => describeBytes(bytes).digest);
  const config = jsonBytes({
    os: "linux",
    architecture: "amd64",
    rootfs: { type: "layers", diff_ids: diffIds },
  });
  const configBlob = { ...(await pushBlob(registry, repository, config)), mediaType: mediaTypes.ociConfig };
  const blobs = [];
  for (const bytes of layers) {
    const blob = await pushBlob(registry, repository, gzipSync(bytes));
    blobs.push({ ...blob, mediaType: mediaTypes.ociLayerGzip });
  }
  await registry.putManifest(repository, {
    bytes: imageBytes(configBlob, blobs),
    mediaType: "",
    tags: tags("1"),
  });
  const root = join(at, "root");
  await succeed(programPath("umoci"), [
    "raw",
    "unpack",
    "--rootless",
    "--image",
    `${join(at, "layout")}:1`,
    root,
  ]);
  const sizes: Record<string, number> = {};
  for (const entry of await readdir(root, { recursive: true })) {
    const found = await lstat(join(root, entry));
    if (found.isFile()) sizes[entry] = found.size;
  }
  await rm(at, { recursive: true });
  return sizes;
}

test("a path that is read is within the image", async () => {
  const files = await filesOf([Buffer.concat([...smallFile("./a//b/../c", bytesFor(1, 10)), endMark])]);
  expect([...files.keys()].map((name) => dirname(name))).toEqual(["a/b/.."]); // shown as it stands, never opened
});
