import { expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { makeTemporaryFolder } from "../../../tests/fixtures/processes.ts";
import { parseRepositoryName } from "../../oci/names.ts";
import { parseRegistryName } from "../../oci/references.ts";
import { parseRepositoryPattern } from "../../oci/repository-patterns.ts";
import { bytesFor, describeBytes, pushImage, tags } from "../../registry/contract/fixtures.ts";
import { createMemoryRegistry } from "../../registry/memory.ts";
import type { Registry } from "../../registry/registry.ts";
import { describeFailure } from "../failures.ts";
import { parseWanted } from "../import/wanted.ts";
import { collectAll } from "./collect-all.ts";
import { writeExport } from "./write.ts";

const app = parseRepositoryName("team/app");
const name = parseRegistryName("localhost:5000");
const { signal } = new AbortController();

/** Exports all of a registry whose blobs are read with `getBlob`. */
async function exportFrom(registry: Registry, getBlob: Registry["getBlob"]) {
  const folder = await makeTemporaryFolder();
  const told: string[] = [];
  const onDamage = (where: string, error: unknown): void => {
    told.push(`${where}: ${describeFailure(error, signal).message}`);
  };
  try {
    const source = {
      registry: { ...registry, getBlob, registry: name },
      readHistory: async () => undefined,
    };
    const repositories = await collectAll(source, {
      patterns: [parseRepositoryPattern("team/*")],
      wanted: parseWanted({ repositories: [], tags: [], list: undefined }),
      ...{ referrers: true, base: undefined, signal, onDamage },
    });
    const input = { registry: name, repositories, base: undefined, tagPatterns: [] };
    const written = await writeExport(input, join(folder, "all.tar"), { signal, onDamage });
    const leftOut = [...(written.repositories[0]?.leftOut ?? [])];
    return { told, leftOut, manifests: written.contents.manifests.size };
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("writeExport writes twice at most, however much is damaged", async () => {
  const registry = createMemoryRegistry();
  const whole = describeBytes(bytesFor(1));
  const damaged = [2, 3, 4, 5].map((seed) => describeBytes(bytesFor(seed)));
  await pushImage(registry, app, { layers: [bytesFor(1)], tags: tags("1") });
  for (const seed of [2, 3, 4, 5]) {
    await pushImage(registry, app, { layers: [bytesFor(seed)], tags: tags(`${seed}`) });
  }
  let reads = 0;
  const exported = await exportFrom(registry, async (repository, digest, options) => {
    if (digest === whole.digest) reads++;
    const handle = await registry.getBlob(repository, digest, options);
    if (damaged.every((each) => each.digest !== digest)) return handle;
    return { ...handle, source: { kind: "bytes", bytes: new Uint8Array(handle.descriptor.size) } };
  });
  expect(exported.told).toHaveLength(damaged.length);
  expect([exported.leftOut, exported.manifests, reads]).toEqual([tags("2", "3", "4", "5"), 1, 2]);
});

/** A file whose reading fails as on a disk that is broken: nothing is mapped where it begins. */
const unreadable = "/proc/self/mem";

test.skipIf(process.platform !== "linux")(
  "writeExport leaves out what the disk cannot read, and does not say that there is no room",
  async () => {
    const registry = createMemoryRegistry();
    const broken = describeBytes(bytesFor(2));
    await pushImage(registry, app, { layers: [bytesFor(1)], tags: tags("whole") });
    await pushImage(registry, app, { layers: [bytesFor(2)], tags: tags("broken") });
    const exported = await exportFrom(registry, async (repository, digest, options) =>
      digest === broken.digest
        ? { descriptor: broken, source: { kind: "file", path: unreadable } }
        : registry.getBlob(repository, digest, options),
    );
    const told = [expect.stringMatching(new RegExp(`^team/app@${broken.digest}: the disk cannot read`))];
    expect(exported).toEqual({ told, leftOut: tags("broken"), manifests: 1 });
  },
);
