import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mediaTypes } from "../oci/media-types.ts";
import { parseRepositoryName } from "../oci/names.ts";
import { digestOf } from "../registry/hash.ts";
import { streamOf } from "../registry/streams.ts";
import { openStore } from "./store.ts";

test("listReferrers gives shorter pages when their annotations are long", async () => {
  const folder = await mkdtemp(join(tmpdir(), "berth-referrers-"));
  const { registry, close } = await openStore({ folder });
  try {
    const repository = parseRepositoryName("a/b");
    const content = new TextEncoder().encode("{}");
    const config = { mediaType: mediaTypes.ociEmpty, digest: digestOf(content), size: 2 };
    await registry.putBlob(repository, config, streamOf(content));
    const subject = { mediaType: mediaTypes.ociManifest, digest: digestOf(new Uint8Array(9)), size: 9 };
    for (let at = 0; at < 7; at++) {
      const annotations = { at: `${at}`, long: "x".repeat(1_000_000) };
      const manifest = { schemaVersion: 2, config, layers: [], subject, annotations };
      const bytes = new TextEncoder().encode(JSON.stringify(manifest));
      await registry.putManifest(repository, { bytes, mediaType: mediaTypes.ociManifest, tags: [] });
    }
    for (const filter of [{}, { artifactType: mediaTypes.ociEmpty }]) {
      const lengths: number[] = [];
      for (let after: string | undefined = ""; after !== undefined; ) {
        const page = await registry.listReferrers(repository, subject.digest, { after, ...filter });
        lengths.push(page.items.length);
        after = page.next;
      }
      expect(lengths).toEqual([3, 3, 1]);
    }
  } finally {
    await close();
    await rm(folder, { recursive: true });
  }
});
