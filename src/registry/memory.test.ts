import { expect, test } from "bun:test";
import { errorOf, repositoryA } from "./contract/fixtures.ts";
import { describeRegistryContract } from "./contract-suite.ts";
import { createMemoryRegistry } from "./memory.ts";
import { streamOf } from "./streams.ts";

describeRegistryContract(
  "createMemoryRegistry",
  () => {
    const registry = createMemoryRegistry();
    return { registry, dispose: () => expect(registry.openUploads()).toBe(0) };
  },
  { runs: 100 },
);

test("createMemoryRegistry ends an upload session when it was not written to for its lifetime", async () => {
  let now = 0;
  const registry = createMemoryRegistry({ uploadLifetimeMs: 1000, now: () => now });
  const [idle, used] = [await registry.startUpload(repositoryA), await registry.startUpload(repositoryA)];
  now = 1000;
  await registry.appendUpload(repositoryA, used.id, streamOf(new Uint8Array(3)));
  now = 1001;
  await errorOf(registry.getUpload(repositoryA, idle.id), "BLOB_UPLOAD_UNKNOWN");
  expect(await registry.getUpload(repositoryA, used.id)).toMatchObject({ offset: 3 });
  now = 3000;
  await registry.startUpload(repositoryA);
  expect(registry.openUploads()).toBe(1);
});
