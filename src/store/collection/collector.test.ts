import { describe, expect, test } from "bun:test";
import { readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import {
  blobOf,
  type CollectedStore,
  fileSize,
  imageOf,
  keepNothing,
  openCollectedStore,
  pushImage,
  putBlob,
  putImage,
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

async function withStore(
  act: (collected: CollectedStore) => Promise<void>,
  keep = keepNothing,
  slots = 1,
): Promise<void> {
  const collected = await openCollectedStore(keep, slots);
  try {
    await act(collected);
  } finally {
    await collected.close();
  }
}

describe("a collection", () => {
  test("removes what a deleted image alone needed, and counts its bytes", () =>
    withStore(async ({ registry, collect, filesOnDisk, store }) => {
      const shared = blobOf("shared", fileSize);
      const digest = await pushImage(registry, app, ["1"], [config, layer, shared]);
      const kept = await pushImage(registry, app, ["2"], [blobOf("config 2", 50), shared]);
      await registry.deleteManifest(app, digest);
      expect(await collect()).toEqual({ manifests: 1, links: 2, blobs: 2, bytes: fileSize + 100 });
      expect(await filesOnDisk()).toEqual([digestOf(shared)]);
      expect(await store.metadata.totals()).toMatchObject({ blobs: 2, blobBytes: fileSize + 50 });
      const manifest = imageOf([blobOf("config 2", 50), shared]).bytes.byteLength;
      expect((await store.metadata.listUsage({ limit: 9 })).items).toEqual([
        { repository: app, bytes: manifest + fileSize + 50 },
      ]);
      expect((await registry.resolveManifest(app, kept)).digest).toBe(kept);
      expect(await collect()).toEqual({ manifests: 0, links: 0, blobs: 0, bytes: 0 });
    }));

  test("keeps what a tag moved away from, and what lost its last tag", () =>
    withStore(async ({ registry, collect, filesOnDisk }) => {
      const first = await pushImage(registry, app, ["latest"], [config, layer]);
      const second = await pushImage(registry, app, ["latest"], [config, blobOf("second", fileSize)]);
      await registry.deleteTag(app, parseTag("latest"));
      expect(await collect(7 * day)).toMatchObject({ manifests: 0, links: 0, blobs: 0 });
      expect(await filesOnDisk()).toHaveLength(2);
      for (const digest of [first, second]) await registry.resolveManifest(app, digest);
    }));

  test("lets a deleted image come back within the grace time, and not after it", () =>
    withStore(
      async ({ registry, collect, store, filesOnDisk }) => {
        const digest = await pushImage(registry, app, ["1"], [config, layer]);
        const request = { kind: "undelete-manifest", digest } as const;
        await registry.deleteManifest(app, digest);
        await collect(23 * hour);
        await store.metadata.changeTags(app, request, { actor: "a" });
        await collect(7 * day);
        expect((await registry.resolveTag(app, parseTag("1"))).digest).toBe(digest);
        expect((await registry.getBlob(app, digestOf(layer))).descriptor.size).toBe(fileSize);
        await registry.deleteManifest(app, digest);
        await collect(25 * hour);
        expect(await filesOnDisk()).toEqual([]);
        expect(store.metadata.changeTags(app, request, { actor: "a" })).rejects.toThrow("nothing is kept");
      },
      { graceMs: day, toldMs: 0, uploadedMs: 0 },
    ));

  test("gives back blobs that were deleted after the image that can still come back needs them", () =>
    withStore(
      async ({ registry, collect, store, filesOnDisk }) => {
        const digest = await pushImage(registry, app, ["1"], [config, layer]);
        await registry.deleteManifest(app, digest);
        await registry.deleteBlob(app, digestOf(layer));
        await collect(hour);
        await store.metadata.changeTags(app, { kind: "undelete-manifest", digest }, { actor: "a" });
        expect((await registry.resolveBlob(app, digestOf(layer))).size).toBe(fileSize);
        await registry.deleteManifest(app, digest);
        await registry.deleteBlob(app, digestOf(layer));
        await collect(25 * hour);
        expect(await filesOnDisk()).toEqual([]);
      },
      { graceMs: day, toldMs: 0, uploadedMs: 0 },
    ));

  test("keeps what one deleted image needs when the time of another one is over", () =>
    withStore(
      async ({ registry, store: { metadata } }) => {
        const { collection } = metadata;
        const [first, second] = [
          await pushImage(registry, app, [], [config, layer]),
          await pushImage(registry, app, [], [layer, config]),
        ];
        await registry.deleteManifest(app, first);
        const [removed] = await collection.manifestFacts(first, 1);
        const at = removed?.kind === "removed" ? removed.removedAt.getTime() : 0;
        while (Date.now() <= at); // a millisecond
        await registry.deleteManifest(app, second);
        const { id } = await collection.startRun({ actor: "test", graceMs: hour, slot: 0 });
        const step = await collection.collect(id, { now: at + hour, graceMs: hour });
        expect(step).toMatchObject({ manifests: 1, links: 0, blobs: 0 });
        const request = { kind: "undelete-manifest", digest: second } as const;
        await metadata.changeTags(app, request, { actor: "a" });
        expect((await registry.resolveBlob(app, digestOf(layer))).size).toBe(fileSize);
      },
      { ...keepNothing, graceMs: hour },
    ));

  test("keeps what a deleted image needs when the last other repository gives it up", () =>
    withStore(
      async ({ registry, store: { metadata }, collect }) => {
        const digest = await pushImage(registry, app, [], [config, layer]);
        for (const blob of [config, layer]) await registry.mountBlob(other, digestOf(blob));
        await registry.deleteManifest(app, digest);
        for (const blob of [config, layer]) await registry.deleteBlob(app, digestOf(blob));
        expect(await collect(minute)).toMatchObject({ links: 2, blobs: 0 });
        await metadata.changeTags(app, { kind: "undelete-manifest", digest }, { actor: "a" });
        expect((await registry.getBlob(app, digestOf(layer))).descriptor.size).toBe(fileSize);
      },
      { ...keepNothing, graceMs: hour },
    ));

  test("removes uploads that no manifest came for, once their lease is over", () =>
    withStore(
      async ({ registry, collect, filesOnDisk }) => {
        await putBlob(registry, app, layer);
        await putBlob(registry, app, config);
        await collect(hour - minute);
        expect(await filesOnDisk()).toHaveLength(1);
        expect(await collect(hour + minute)).toEqual({
          ...{ manifests: 0, links: 2, blobs: 2, bytes: fileSize + 100 },
        });
        expect(registry.resolveBlob(app, digestOf(config))).rejects.toThrow("has no blob");
      },
      { ...keepNothing, uploadedMs: hour },
    ));

  test("removes no file while somebody holds the store since it was decided", () =>
    withStore(async ({ registry, store: { metadata, collector }, filesOnDisk }) => {
      await putBlob(registry, app, layer);
      const { collection } = metadata;
      const { id } = await collection.startRun({ actor: "test", graceMs: 0, slot: 0 });
      await collection.collect(id, { now: Date.now() + 1, graceMs: 0 });
      const files = await collection.listRemovedFiles(9);
      const hold = await collection.hold("backup to /backups", new Date(Date.now() + hour));
      expect(await collection.withdrawFiles(files, () => true)).toBeUndefined();
      await collection.releaseHold(hold);
      await collection.endRun(id, "done");
      await (await collector.start({ actor: "test" })).ended;
      expect(await filesOnDisk()).toEqual([]);
      expect((await collection.backlog()).total).toMatchObject({ blobs: 1, bytes: fileSize });
    }));

  test("does nothing while somebody holds the store, and goes on afterwards", () =>
    withStore(async ({ registry, collect, store: { metadata, collector }, filesOnDisk }) => {
      const { collection } = metadata;
      await putBlob(registry, app, layer);
      const hold = await collection.hold("backup to /backups", new Date(Date.now() + hour));
      expect(await collect()).toMatchObject({ links: 0, blobs: 0 });
      expect((await collection.listRuns(1))[0]?.outcome).toBe("held");
      expect(await filesOnDisk()).toHaveLength(1);
      expect(await collector.hasWork()).toBe(false);
      expect(await collection.renewHold(hold, new Date(0))).toBe(true);
      expect(await collection.renewHold(hold, new Date())).toBe(false);
      expect(await collector.hasWork()).toBe(true);
      expect(await collect()).toMatchObject({ links: 1, blobs: 1 });
      expect(await filesOnDisk()).toEqual([]);
      expect(await collector.hasWork()).toBe(false);
    }));
});

describe("the known killers", () => {
  test("HEAD says that a blob exists, it is collected otherwise, and the manifest arrives", () =>
    withStore(
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

  test("HEAD says that a blob exists whose time is nearly over", () =>
    withStore(
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
    withStore(
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
    withStore(
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
    withStore(async ({ registry, collect, filesOnDisk }) => {
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
    withStore(async ({ registry, store: { metadata, collector }, filesOnDisk }) => {
      await putBlob(registry, app, layer);
      const { collection } = metadata;
      const { id } = await collection.startRun({ actor: "test", graceMs: 0, slot: 0 });
      await collection.collect(id, { now: Date.now() + 1, graceMs: 0 });
      await collection.endRun(id, "done");
      const [file] = await collection.listRemovedFiles(9);
      expect(file?.digest).toBe(digestOf(layer));
      await pushImage(registry, app, ["1"], [config, layer]);
      expect(file && (await collection.withdrawFiles([file], () => true))).toEqual([]);
      await (await collector.start({ actor: "test" })).ended;
      expect(await filesOnDisk()).toEqual([digestOf(layer)]);
    }));

  test.each(["before its file is deleted", "after its file was deleted"])(
    "a process ends in the middle of a removal, %s",
    (when) =>
      withStore(async ({ registry, store: { metadata }, folder, filesOnDisk }) => {
        await putBlob(registry, app, layer);
        const { collection } = metadata;
        const { id } = await collection.startRun({ actor: "test", graceMs: 0, slot: 0 });
        await collection.collect(id, { now: Date.now() + 1, graceMs: 0 });
        const { pathOf } = createBlobFiles(join(folder, "blobs"));
        const removal = createFileRemoval(join(folder, "removed"), pathOf, () => {});
        const taken = await collection.withdrawFiles(await collection.listRemovedFiles(9), removal.take);
        expect(await filesOnDisk()).toHaveLength(1);
        if (when.startsWith("after")) await removal.erase(taken ?? []);
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
    withStore(async ({ store: { metadata }, filesOnDisk, folder }) => {
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
