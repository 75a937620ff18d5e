import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseDigest } from "../../src/oci/digests.ts";
import type { RegistryUnderTest } from "../../src/registry/contract-suite.ts";
import { describeRegistryContract } from "../../src/registry/contract-suite.ts";
import type { Registry } from "../../src/registry/registry.ts";
import { openStore, type Store } from "../../src/store/store.ts";

describeRegistryContract("the store over SQLite and files", () => openStores(1));
describeRegistryContract("the store of two workers, asked in turn", () => openStores(2), { runs: 10 });

async function openStores(slots: number): Promise<RegistryUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), "berth-store-"));
  const stores: Store[] = [];
  for (let slot = 0; slot < slots; slot++) stores.push(await openStore({ folder, slot, slots }));
  return {
    registry: inTurn(stores.map(({ registry }) => registry)),
    async dispose() {
      const uploads = await readdir(join(folder, "uploads"));
      const unknown = await filesThatNobodyKnows(folder, stores[0]);
      for (const store of stores.reverse()) await store.close();
      await rm(folder, { recursive: true });
      if (uploads.length > 0) throw new Error(`upload files are left: ${uploads.join(", ")}`);
      if (unknown.length > 0) throw new Error(`files that the metadata do not know: ${unknown.join(", ")}`);
    },
  };
}

/** Each call goes to another of the registries, as requests go to workers that share a port. */
function inTurn(registries: readonly Registry[]): Registry {
  let calls = 0;
  return new Proxy(registries[0] as Registry, {
    get: (_, method: keyof Registry) => registries[calls++ % registries.length]?.[method],
  });
}

async function filesThatNobodyKnows(folder: string, store: Store | undefined): Promise<string[]> {
  const unknown: string[] = [];
  for (const algorithm of await readdir(join(folder, "blobs"))) {
    const files = await readdir(join(folder, "blobs", algorithm), { recursive: true, withFileTypes: true });
    for (const file of files) {
      if (!file.isFile()) continue;
      const digest = parseDigest(`${algorithm}:${file.name}`);
      if (!(await store?.metadata.findBlob(digest))) unknown.push(digest);
    }
  }
  return unknown;
}
