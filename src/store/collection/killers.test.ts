import { describe, expect, test } from "bun:test";
import { readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import {
  blobOf,
  fileSize,
  imageOf,
  keepNothing,
  pushImage,
  putBlob,
  putImage,
  withCollectedStore,
} from "../../../tests/fixtures/collections.ts";
import { parseRepositoryName, parseTag } from "../../oci/names.ts";
import { digestOf } from "../../registry/hash.ts";
import { streamOf } from "../../registry/streams.ts";
import { createBlobFiles } from "../blobs/files.ts";
import { createFileRemoval } from "../blobs/removal.ts";
import { openStore } from "../store.ts";
import { createUploadFiles } from "../upload-files.ts";
import { createUploads } from "../uploads.ts";

const app = parseRepositoryName("team/app");
const other = parseRepositoryName("team/other");
const config = blobOf("config", 100);
const layer = blobOf("layer", fileSize);
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

describe("the known killers", () => {
  test("HEAD says that a blob exists, it is collected otherwise, and the manifest arrives", () =>
    withCollectedStore(
      async ({ registry, collect, filesOnDisk }) => {
        const digest = await pushImage(registry, app, [], [config, layer]);
        expect((await registry.resolveBlob(app, digestOf(layer))).size).toBe(fileSize);
        await registry.deleteManifest(app, digest);
        await collect(hour - minute);
        const again = imageOf([config, layer], { annotations: { again: "yes" } }).bytes;
        await putImage(registry, app, ["2"], again);
        await collect(7 * day);
        expect(await filesOnDisk()).toEqual([digestOf(layer)]);
      },
      { ...keepNothing, toldMs: hour },
    ));

  test("HEAD says that a blob exists, it is collected as its time is over, and the manifest that arrives is refused", () =>
    withCollectedStore(
      async ({ registry, collect, filesOnDisk }) => {
        await putBlob(registry, app, config);
        await putBlob(registry, app, layer);
        expect((await registry.resolveBlob(app, digestOf(layer))).size).toBe(fileSize);
        await collect(2 * hour + minute);
        expect(await filesOnDisk()).toEqual([]);
        const { bytes } = imageOf([config, layer]);
        await expect(putImage(registry, app, ["1"], bytes)).rejects.toThrow(digestOf(layer));
        for (const blob of [config, layer]) await putBlob(registry, app, blob);
        await putImage(registry, app, ["1"], bytes);
        await collect(7 * day);
        expect(await filesOnDisk()).toEqual([digestOf(layer)]);
      },
      { ...keepNothing, toldMs: hour },
    ));

  test("HEAD says that a blob exists whose time is nearly over", () =>
    withCollectedStore(
      async ({ registry, collect, store: { metadata } }) => {
        const digest = await pushImage(registry, app, [], [config, layer]);
        await registry.deleteManifest(app, digest);
        const heldUntil = async () =>
          (await metadata.collection.blobFacts(digestOf(layer), 1))?.links[0]?.heldUntil?.getTime() ?? 0;
        const before = await heldUntil();
        while (Date.now() + hour <= before); // a millisecond
        expect((await registry.resolveBlob(app, digestOf(layer))).size).toBe(fileSize);
        expect(await heldUntil()).toBeGreaterThan(before + hour - minute);
        await collect(hour + minute);
        await registry.resolveBlob(app, digestOf(layer));
        await collect(2 * hour + minute);
        expect(registry.resolveBlob(app, digestOf(layer))).rejects.toThrow("has no blob");
      },
      { ...keepNothing, toldMs: hour },
    ));

  test("a blob is mounted from a repository that is being deleted", () =>
    withCollectedStore(
      async ({ registry, collect, filesOnDisk }) => {
        const digest = await pushImage(registry, app, ["1"], [config, layer]);
        await registry.deleteManifest(app, digest);
        for (const blob of [config, layer]) await registry.mountBlob(other, digestOf(blob), { from: app });
        for (const blob of [config, layer]) await registry.deleteBlob(app, digestOf(blob));
        await collect(minute);
        const moved = await putImage(registry, other, ["1"], imageOf([config, layer]).bytes);
        await collect(7 * day);
        expect((await registry.resolveManifest(other, moved)).digest).toBe(moved);
        expect(await filesOnDisk()).toEqual([digestOf(layer)]);
      },
      { ...keepNothing, uploadedMs: hour },
    ));

  test("a tag is moved back while what it pointed at is under review", () =>
    withCollectedStore(
      async ({ registry, collect, store, filesOnDisk }) => {
        const first = await pushImage(registry, app, ["latest"], [config, layer]);
        await pushImage(registry, app, ["latest"], [config, blobOf("second", fileSize)]);
        await registry.deleteManifest(app, first);
        await collect(minute);
        await store.metadata.changeTags(app, { kind: "undelete-manifest", digest: first }, { actor: "a" });
        const move = { kind: "move", tag: parseTag("latest"), to: first } as const;
        await store.metadata.changeTags(app, move, { actor: "a" });
        await collect(7 * day);
        expect((await registry.resolveTag(app, parseTag("latest"))).digest).toBe(first);
        expect(await filesOnDisk()).toHaveLength(2);
      },
      { ...keepNothing, graceMs: hour },
    ));

  test("a subject is deleted and its referrers are left", () =>
    withCollectedStore(async ({ registry, collect, filesOnDisk }) => {
      const digest = await pushImage(registry, app, ["1"], [config, layer]);
      const { bytes } = imageOf([config, layer]);
      const subject = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size: bytes.length };
      const signature = blobOf("signature", fileSize);
      const referrer = await pushImage(registry, app, [], [blobOf("empty", 2), signature], { subject });
      await registry.deleteManifest(app, digest);
      await collect(7 * day);
      expect((await registry.listReferrers(app, digest)).items.map((item) => item.digest)).toEqual([
        referrer,
      ]);
      expect(await filesOnDisk()).toEqual([digestOf(signature)]);
      await registry.deleteManifest(app, referrer);
      await collect(7 * day);
      expect(await filesOnDisk()).toEqual([]);
    }));

  test("a blob is uploaded again between the decision about it and the removal of its file", () =>
    withCollectedStore(async ({ registry, store: { metadata, collector }, filesOnDisk }) => {
      await putBlob(registry, app, layer);
      const { collection } = metadata;
      const { id } = await collection.startRun({ actor: "test", graceMs: 0, slot: 0 });
      await collection.collect(id, { now: Date.now() + 1, graceMs: 0 });
      await collection.endRun(id, "done");
      const [file] = await collection.listRemovedFiles(9);
      expect(file?.digest).toBe(digestOf(layer));
      await pushImage(registry, app, ["1"], [config, layer]);
      const take = () => "taken" as const;
      const rules = { now: Date.now() + 1, graceMs: 0 };
      expect(await collection.collect(id, rules, { gone: [], take, after: 0, limit: 9 })).toMatchObject({
        taken: [],
        more: false,
      });
      await (await collector.start({ actor: "test" })).ended;
      expect(await filesOnDisk()).toEqual([digestOf(layer)]);
    }));

  test("a blob is uploaded again while its file is removed, and removed again: each file is counted", () =>
    withCollectedStore(async ({ registry, collect, store: { metadata }, folder, filesOnDisk }) => {
      const { collection } = metadata;
      await putBlob(registry, app, layer);
      const { id } = await collection.startRun({ actor: "test", graceMs: 0, slot: 0 });
      const rules = { now: Date.now() + 1, graceMs: 0 };
      await collection.collect(id, rules);
      const { pathOf } = createBlobFiles(join(folder, "blobs"));
      const removal = createFileRemoval(join(folder, "removed"), pathOf, () => {});
      const { take, erase } = removal;
      const { taken } = await collection.collect(id, rules, { gone: [], take, after: 0, limit: 9 });
      const image = await pushImage(registry, app, ["1"], [config, layer]);
      await collection.collect(id, rules, { gone: await erase(taken), take, after: 0, limit: 9 });
      await collection.endRun(id, "done");
      expect(await collection.getRun(id)).toMatchObject({ blobs: 1, bytes: fileSize });
      expect((await registry.resolveBlob(app, digestOf(layer))).size).toBe(fileSize);
      await registry.deleteManifest(app, image);
      expect(await collect()).toMatchObject({ blobs: 2, bytes: fileSize + 100 });
      expect(await filesOnDisk()).toEqual([]);
    }));

  test("a process ends while it takes a file away, and the blob is uploaded before the next collection", () =>
    withCollectedStore(async ({ registry, collect, store: { metadata }, folder, filesOnDisk }) => {
      const { collection } = metadata;
      await putBlob(registry, app, layer);
      const { id } = await collection.startRun({ actor: "test", graceMs: 0, slot: 0 });
      await collection.collect(id, { now: Date.now() + 1, graceMs: 0 });
      const { pathOf } = createBlobFiles(join(folder, "blobs"));
      const [file] = await collection.listRemovedFiles(9);
      if (!file) throw new Error("there is a file to remove");
      // The transaction around it is lost.
      expect(createFileRemoval(join(folder, "removed"), pathOf, () => {}).take(file)).toBe("taken");
      await (await openStore({ folder, keep: keepNothing })).close(); // as the process that is started next
      expect(await filesOnDisk()).toEqual([]);
      await pushImage(registry, app, ["1"], [config, layer]);
      expect(await collect()).toMatchObject({ blobs: 1, bytes: fileSize });
      expect(await filesOnDisk()).toEqual([digestOf(layer)]);
    }));

  test.each(["before its file is deleted", "after its file was deleted"])(
    "a process ends in the middle of a removal, %s",
    (when) =>
      withCollectedStore(async ({ registry, store: { metadata }, folder, filesOnDisk }) => {
        await putBlob(registry, app, layer);
        const { collection } = metadata;
        const { id } = await collection.startRun({ actor: "test", graceMs: 0, slot: 0 });
        await collection.collect(id, { now: Date.now() + 1, graceMs: 0 });
        const { pathOf } = createBlobFiles(join(folder, "blobs"));
        const removal = createFileRemoval(join(folder, "removed"), pathOf, () => {});
        const { take } = removal;
        const rules = { now: Date.now() + 1, graceMs: 0 };
        const { taken } = await collection.collect(id, rules, { gone: [], take, after: 0, limit: 9 });
        expect(await filesOnDisk()).toHaveLength(1);
        if (when.startsWith("after")) await removal.erase(taken);
        const again = await openStore({ folder, keep: keepNothing }); // as the process that is started next
        try {
          expect(await filesOnDisk()).toEqual([]);
          expect((await again.metadata.collection.getRun(id))?.outcome).toBe("interrupted");
          await (await again.collector.start({ actor: "test" })).ended;
          const { files, total } = await again.metadata.collection.backlog();
          expect({ files, total }).toMatchObject({ files: 0, total: { blobs: 1, bytes: fileSize } });
        } finally {
          await again.close();
        }
      }),
  );

  test("a file is taken away between its upload and its link", () =>
    withCollectedStore(async ({ store: { metadata }, filesOnDisk, folder }) => {
      const digest = digestOf(layer);
      const blobs = createBlobFiles(join(folder, "blobs"));
      const sessions = createUploadFiles({ folder: join(folder, "uploads"), slot: 0, slots: 1, maxOpen: 9 });
      let taken = 0;
      const { putBlob: put } = createUploads({
        ...{ sessions, blobs, stallMs: minute },
        link: async (repository, blob, received, isThere) => {
          if (taken++ === 0) await unlink(blobs.pathOf(digest)); // as a collection in another worker does
          return metadata.linkStoredBlob(repository, blob, received, isThere);
        },
      });
      await put(app, { digest, size: fileSize }, streamOf(layer));
      expect(taken).toBe(2);
      expect(await filesOnDisk()).toEqual([digest]);
      expect(await readdir(join(folder, "uploads"))).toEqual([]);
    }));
});
