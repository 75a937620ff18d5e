import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { blobOf, imageOf } from "../../../../../tests/fixtures/collections.ts";
import { makeTemporaryFolder } from "../../../../../tests/fixtures/processes.ts";
import { mediaTypes } from "../../../../oci/media-types.ts";
import { parseRepositoryName } from "../../../../oci/names.ts";
import { digestOf } from "../../../../registry/hash.ts";
import { openStore } from "../../../store.ts";
import { migrate } from "../schema.ts";

const before = 6;
const day = 24 * 3_600_000;
const repository = parseRepositoryName("team/app");
const [needed, removed, uploaded, deleted] = ["needed", "removed", "uploaded", "deleted"].map((name) =>
  blobOf(name, 100),
) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]; // safe: as many as there are names
const image = imageOf([needed]);
const gone = imageOf([removed]);

/** A store as it was before collections: four blobs, of which one is needed and one was. */
function writeOld(path: string): void {
  const db = new Database(path, { create: true });
  migrate(db, before);
  db.run("INSERT INTO repositories (id, name, created_at, manifests) VALUES (1, ?, 0, 1)", [repository]);
  for (const [at, bytes] of [needed, removed, uploaded, deleted].entries()) {
    db.run("INSERT INTO blobs VALUES (?, ?, ?, 0)", [at + 1, digestOf(bytes), bytes.length]);
    db.run("INSERT INTO small_blobs VALUES (?, ?)", [at + 1, bytes]);
    const deletedAt = bytes === deleted ? 1 : null;
    db.run("INSERT INTO blob_links VALUES (1, ?, 0, ?, ?)", [at + 1, deletedAt, bytes === uploaded ? 1 : 0]);
  }
  db.run("UPDATE totals SET repositories = 1, blobs = 4, blob_bytes = 400");
  const manifest = [image.digest, mediaTypes.ociManifest, image.bytes.length, image.bytes];
  db.run("INSERT INTO manifests VALUES (1, 1, ?, ?, ?, 0, ?)", manifest);
  db.run("INSERT INTO manifest_blobs VALUES (1, 1)");
  db.run("INSERT INTO changes VALUES (1, 1, 0, 'alice', 'delete', ?, '[]')", [gone.digest]);
  const aside = [gone.digest, mediaTypes.ociManifest, gone.bytes, Date.now() - day / 2];
  db.run("INSERT INTO removed_manifests VALUES (1, ?, ?, ?, ?, 1)", aside);
  db.close();
}

test("a store from before there were collections keeps what is needed and gives the rest back", async () => {
  const folder = await makeTemporaryFolder();
  writeOld(join(folder, "metadata.db"));
  const store = await openStore({ folder });
  try {
    const { collection } = store.metadata;
    const collect = async (laterMs: number) => {
      const { id } = await collection.startRun({ actor: "test", graceMs: day, slot: 0 });
      const step = await collection.collect(id, { now: Date.now() + laterMs, graceMs: day });
      await collection.endRun(id, "done");
      return step;
    };
    expect(await collect(0)).toMatchObject({ manifests: 0, links: 0, blobs: 0 });
    expect((await collection.blobFacts(digestOf(removed), 9))?.removedUses).toMatchObject([
      { repository, manifest: gone.digest },
    ]);
    const undelete = { kind: "undelete-manifest", digest: gone.digest } as const;
    await store.metadata.changeTags(repository, undelete, { actor: "bob" });
    expect(await collect(2 * day)).toMatchObject({ links: 1, blobs: 2, bytes: 200 });
    for (const bytes of [needed, removed]) {
      expect((await store.registry.resolveBlob(repository, digestOf(bytes))).size).toBe(100);
    }
    expect(await store.metadata.totals()).toMatchObject({ blobs: 2, blobBytes: 200 });
    await store.registry.deleteManifest(repository, gone.digest);
    expect(await collect(2 * day)).toMatchObject({ manifests: 1, links: 1, blobs: 1 });
  } finally {
    await store.close();
    await rm(folder, { recursive: true });
  }
});
