import { expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { makeTemporaryFolder } from "../../../tests/fixtures/processes.ts";
import { parseRepositoryName } from "../../oci/names.ts";
import { bytesFor, describeBytes, pushImage, tags } from "../../registry/contract/fixtures.ts";
import { createBlobFiles } from "../blobs/files.ts";
import { openStore } from "../store.ts";
import { verifyStore } from "./verify.ts";

test("verifyStore calls no small blob lost that a push brings back before it is looked at", async () => {
  const folder = await makeTemporaryFolder();
  const { metadata, registry, close } = await openStore({ folder });
  try {
    const { verification } = metadata;
    const small = [bytesFor(1, 100), bytesFor(2, 100)];
    await pushImage(registry, parseRepositoryName("a/b"), { layers: small, tags: tags("1") });
    const [, last = new Uint8Array()] = small;
    const { digest } = describeBytes(last);
    await verification.dropSmallBlob(digest, "for a test", last);
    const found: string[] = [];
    await verifyStore({
      ...{ folder, metadata, by: "command", signal: new AbortController().signal },
      blobs: createBlobFiles(join(folder, "blobs")),
      onProgress: ({ stage, counts }) => {
        if (stage === "blobs" && counts.bytes > 0) void verification.findLostBlob(digest, last);
      },
      onFault: ({ kind }) => void found.push(kind),
    });
    expect(found).toEqual([]);
  } finally {
    await close();
    await rm(folder, { recursive: true });
  }
});

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
