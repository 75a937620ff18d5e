import { expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { makeTemporaryFolder } from "../../../tests/fixtures/processes.ts";
import { parseRepositoryName } from "../../oci/names.ts";
import { bytesFor, pushImage, tags } from "../../registry/contract/fixtures.ts";
import { createBlobFiles } from "../blobs/files.ts";
import { openStore } from "../store.ts";
import { verifyStore } from "./verify.ts";

test("verifyStore ends and says why when another is begun anew meanwhile", async () => {
  const folder = await makeTemporaryFolder();
  const { metadata, registry, close } = await openStore({ folder });
  try {
    const blobs = createBlobFiles(join(folder, "blobs"));
    const layers = [1, 2, 3].map((seed) => bytesFor(seed, 30_000));
    const pushed = await pushImage(registry, parseRepositoryName("a/b"), { layers, tags: tags("1") });
    for (const { digest } of pushed.blobs.slice(1)) await rm(blobs.pathOf(digest));
    const found: string[] = [];
    const verifying = verifyStore({
      ...{ folder, metadata, blobs, by: "command", signal: new AbortController().signal },
      onFault({ kind }) {
        found.push(kind);
        void metadata.verification.begin("repair");
      },
    });
    expect(await verifying.catch((error) => [error.code, error.message])).toEqual([
      "CONFLICT",
      expect.stringContaining("another was begun anew"),
    ]);
    expect(found).toEqual(["blob-lost"]);
    const [left] = await metadata.verification.list(2);
    expect(left).toMatchObject({ by: "repair", stage: "database" });
    expect(await metadata.verification.listFaults(left?.id ?? 0, 9)).toEqual([]);
  } finally {
    await close();
    await rm(folder, { recursive: true });
  }
});
