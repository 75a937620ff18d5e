import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { parseRepositoryName, parseTag } from "../../src/oci/names.ts";
import { openBlob } from "../../src/registry/blobs.ts";
import { digestOf } from "../../src/registry/hash.ts";
import { bytesOf } from "../../src/registry/streams.ts";
import { createBlobFiles } from "../../src/store/blobs/files.ts";
import { schemaVersion } from "../../src/store/metadata/sqlite/schema.ts";
import { openStore } from "../../src/store/store.ts";
import { verifyStore } from "../../src/store/verify/verify.ts";
import { berthProgram } from "../fixtures/command-lines.ts";
import { makeOldStore, oldContent, oldHashes } from "../fixtures/old-stores.ts";
import { attempt, makeTemporaryFolder } from "../fixtures/processes.ts";

let folder: string;
beforeAll(async () => {
  folder = await makeTemporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

const repository = parseRepositoryName("old/app");
const { config, layer, image, index, referrer, removed } = oldContent;
const versions = Array.from({ length: schemaVersion }, (_, at) => at + 1);

test.each(versions)(
  "openStore brings a store of schema version %d up to date, with all that is in it",
  async (version) => {
    const data = join(folder, `v${version}`);
    await makeOldStore(data, version);
    const store = await openStore({ folder: data });
    const { registry, metadata } = store;
    try {
      expect((await registry.getTag(repository, parseTag("1.0"))).bytes).toEqual(index);
      for (const bytes of [image, index, referrer]) {
        expect((await registry.getManifest(repository, digestOf(bytes))).bytes).toEqual(bytes);
      }
      for (const bytes of [config, layer]) {
        const handle = await registry.getBlob(repository, digestOf(bytes));
        expect(await bytesOf(await openBlob(handle))).toEqual(bytes);
      }
      expect((await registry.listReferrers(repository, digestOf(index))).items).toMatchObject([
        { digest: digestOf(referrer) },
      ]);
      const past = await metadata.listTagPeriods(repository, parseTag("1.0"), { limit: 10, skip: 0 });
      expect(past.map(({ digest }) => digest)).toEqual([digestOf(index), digestOf(image)]);
      const held =
        config.byteLength + layer.byteLength + image.byteLength + index.byteLength + referrer.byteLength;
      expect((await metadata.listUsage({ limit: 1 })).items).toEqual([{ repository, bytes: held }]);
      if (version >= 2) {
        expect(await metadata.access.findAccount("ann")).toMatchObject({ id: 5, kind: "person" });
        expect(await metadata.access.findCredential(oldHashes.token, 0)).toMatchObject({
          accountId: 5,
          name: "ci",
        });
        expect(await metadata.access.listGrants(9)).toMatchObject([{ role: "administrator" }]);
      }
      if (version >= 3) {
        await metadata.changeTags(
          repository,
          { kind: "undelete-manifest", digest: digestOf(removed) },
          { actor: "test" },
        );
        expect((await registry.getManifest(repository, digestOf(removed))).bytes).toEqual(removed);
        expect([...(await metadata.listPulls(repository)).keys()]).toContain(digestOf(index));
      }
      if (version >= 4)
        expect(await metadata.audit.read(0, 9)).toMatchObject([{ actor: "ann", action: "push" }]);
      if (version >= 6) expect(await metadata.access.useOnce(oldHashes.used, 1, 0)).toBe(false);
      const blobs = createBlobFiles(join(data, "blobs"));
      const signal = new AbortController().signal;
      const faults: unknown[] = [];
      const onFault = (fault: unknown) => void faults.push(fault);
      const { counts } = await verifyStore({ folder: data, metadata, blobs, by: "command", signal, onFault });
      expect(faults).toEqual([]);
      expect(counts).toMatchObject({ blobs: 2, links: 3, tags: 2 });
    } finally {
      await store.close();
    }
  },
);

test("serve, verify and backup refuse a store that a newer Berth wrote, and say so", async () => {
  const data = join(folder, "newer");
  await makeOldStore(data, schemaVersion);
  {
    using db = new Database(join(data, "metadata.db"));
    db.run(`PRAGMA user_version = ${schemaVersion + 1}`);
  }
  for (const args of [
    ["serve", "--listen", "127.0.0.1:0", "--data", data],
    ["serve", "--listen", "127.0.0.1:0", "--workers", "2", "--data", data],
    ["verify", "--data", data],
    ["backup", join(folder, "target"), "--data", data],
  ]) {
    const { exitCode, stderr } = await attempt(process.execPath, [berthProgram, ...args]);
    expect([args[0], exitCode, stderr]).toEqual([
      ...[args[0], 1],
      expect.stringMatching(
        new RegExp(
          `schema version ${schemaVersion + 1}, this Berth knows up to ${schemaVersion}: start the newer Berth`,
        ),
      ),
    ]);
  }
}, 30_000);
