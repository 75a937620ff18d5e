import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { openLayout } from "../../src/layout/layout.ts";
import { plainPlace } from "../../src/layout/names.ts";
import { mediaTypes } from "../../src/oci/media-types.ts";
import {
  describeBytes,
  imageBytes,
  jsonBytes,
  pushBlob,
  tags,
} from "../../src/registry/contract/fixtures.ts";
import { type Act, filesOf, tarOf } from "../fixtures/layers.ts";
import { makeTemporaryFolder, succeed } from "../fixtures/processes.ts";
import { isAvailable, programPath } from "../programs.ts";

let folder: string;
beforeAll(async () => {
  folder = await makeTemporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

describe.skipIf(!isAvailable("umoci"))("layers", () => {
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

  test("withLayer has the files that umoci unpacks, whatever the layers do", async () => {
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
  }, 60_000);
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
