import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseDigest } from "../../src/oci/digests.ts";
import { describeRegistryContract } from "../../src/registry/contract-suite.ts";
import { openStore } from "../../src/store/store.ts";

describeRegistryContract("the store over SQLite and files", async () => {
  const folder = await mkdtemp(join(tmpdir(), "berth-store-"));
  const store = await openStore({ folder });
  return {
    registry: store.registry,
    async dispose() {
      const uploads = await readdir(join(folder, "uploads"));
      const unknown = await filesThatNobodyKnows(folder, store);
      await store.close();
      await rm(folder, { recursive: true });
      if (uploads.length > 0) throw new Error(`upload files are left: ${uploads.join(", ")}`);
      if (unknown.length > 0) throw new Error(`files that the metadata do not know: ${unknown.join(", ")}`);
    },
  };
});

async function filesThatNobodyKnows(
  folder: string,
  store: Awaited<ReturnType<typeof openStore>>,
): Promise<string[]> {
  const unknown: string[] = [];
  for (const algorithm of await readdir(join(folder, "blobs"))) {
    const files = await readdir(join(folder, "blobs", algorithm), { recursive: true, withFileTypes: true });
    for (const file of files) {
      if (!file.isFile()) continue;
      const digest = parseDigest(`${algorithm}:${file.name}`);
      if (!(await store.metadata.findBlob(digest))) unknown.push(digest);
    }
  }
  return unknown;
}
