import { describe, expect, test } from "bun:test";
import { unlink } from "node:fs/promises";
import { join } from "node:path";
import {
  blobOf,
  fileSize,
  imageOf,
  keepNothing,
  pushImage,
  putBlob,
  withCollectedStore,
} from "../../../tests/fixtures/collections.ts";
import { parseRepositoryName, parseTag } from "../../oci/names.ts";
import { digestOf } from "../../registry/hash.ts";
import { createBlobFiles } from "../blobs/files.ts";
import { planCollection } from "./plan.ts";

const app = parseRepositoryName("team/app");
const other = parseRepositoryName("team/other");
const config = blobOf("config", 100);
const layer = blobOf("layer", fileSize);
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

describe("a collection", () => {
  test("removes what a deleted image alone needed, and counts its bytes", () =>
    withCollectedStore(async ({ registry, collect, filesOnDisk, store }) => {
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
    withCollectedStore(async ({ registry, collect, filesOnDisk }) => {
      const first = await pushImage(registry, app, ["latest"], [config, layer]);
      const second = await pushImage(registry, app, ["latest"], [config, blobOf("second", fileSize)]);
      await registry.deleteTag(app, parseTag("latest"));
      expect(await collect(7 * day)).toMatchObject({ manifests: 0, links: 0, blobs: 0 });
      expect(await filesOnDisk()).toHaveLength(2);
      for (const digest of [first, second]) await registry.resolveManifest(app, digest);
    }));

  test("lets a deleted image come back within the grace time, and not after it", () =>
    withCollectedStore(
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
    withCollectedStore(
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
    withCollectedStore(
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
    withCollectedStore(
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
    withCollectedStore(
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
    withCollectedStore(async ({ registry, store: { metadata, collector }, filesOnDisk }) => {
      await putBlob(registry, app, layer);
      const { collection } = metadata;
      const { id } = await collection.startRun({ actor: "test", graceMs: 0, slot: 0 });
      await collection.collect(id, { now: Date.now() + 1, graceMs: 0 });
      const hold = await collection.hold("backup to /backups", new Date(Date.now() + hour));
      const take = () => "taken" as const;
      const files = { gone: [], take, after: 0, limit: 9 };
      expect(await collection.collect(id, { now: Date.now() + 1, graceMs: 0 }, files)).toMatchObject({
        held: true,
        taken: [],
      });
      await collection.releaseHold(hold);
      await collection.endRun(id, "done");
      await (await collector.start({ actor: "test" })).ended;
      expect(await filesOnDisk()).toEqual([]);
      expect((await collection.backlog()).total).toMatchObject({ blobs: 1, bytes: fileSize });
    }));

  test("gives back no bytes that are lost, and a plan says so before", () =>
    withCollectedStore(async ({ registry, collect, store: { metadata }, folder }) => {
      const unnoticed = blobOf("lost, and nobody knows", fileSize);
      for (const bytes of [layer, config, unnoticed]) await putBlob(registry, app, bytes);
      const { pathOf } = createBlobFiles(join(folder, "blobs"));
      for (const bytes of [layer, unnoticed]) await unlink(pathOf(digestOf(bytes)));
      await metadata.verification.loseBlob(digestOf(layer), "its file is not there", () => true);
      const rules = { now: Date.now() + 1, graceMs: 0 };
      const plan = await planCollection(metadata.collection, rules);
      expect(plan).toMatchObject({ blobs: 3, bytes: 100 + fileSize });
      expect(plan.first.find(({ digest }) => digest === digestOf(layer))?.size).toBe(0);
      expect(await collect()).toMatchObject({ blobs: 3, bytes: 100 });
    }));

  test("does nothing while somebody holds the store, and goes on afterwards", () =>
    withCollectedStore(async ({ registry, collect, store: { metadata, collector }, filesOnDisk }) => {
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
