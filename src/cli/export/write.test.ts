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

/** A file whose reading fails as on a disk that is broken: nothing is mapped where it begins. */
const unreadable = "/proc/self/mem";

test.skipIf(process.platform !== "linux")(
  "writeExport leaves out what the disk cannot read, and does not say that there is no room",
  async () => {
    const folder = await makeTemporaryFolder();
    try {
      const registry = createMemoryRegistry();
      const app = parseRepositoryName("team/app");
      const broken = describeBytes(bytesFor(2));
      await pushImage(registry, app, { layers: [bytesFor(1)], tags: tags("whole") });
      await pushImage(registry, app, { layers: [bytesFor(2)], tags: tags("broken") });
      const getBlob: Registry["getBlob"] = async (repository, digest, options) =>
        digest === broken.digest
          ? { descriptor: broken, source: { kind: "file", path: unreadable } }
          : registry.getBlob(repository, digest, options);
      const { signal } = new AbortController();
      const name = parseRegistryName("localhost:5000");
      const told: string[] = [];
      const onDamage = (where: string, error: unknown): void => {
        told.push(`${where}: ${describeFailure(error, signal).message}`);
      };
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
      expect(told).toEqual([
        expect.stringMatching(new RegExp(`^team/app@${broken.digest}: the disk cannot read`)),
      ]);
      expect([...(written.repositories[0]?.leftOut ?? [])]).toEqual(tags("broken"));
      expect(written.contents.manifests.size).toBe(1);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);
