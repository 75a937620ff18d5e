import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { fillDisk, mayMount } from "./fixtures/disks.ts";
import { makeTemporaryFolder, succeed } from "./fixtures/processes.ts";
import { missingOf, type PushedImage, pushBlob, pushImage } from "./fixtures/pushes.ts";
import { startBerth } from "./fixtures/registries.ts";

async function missingOfAll(url: string, images: readonly PushedImage[]): Promise<readonly string[]> {
  return (await Promise.all(images.map((image) => missingOf(url, image)))).flat();
}

test.skipIf(!mayMount)(
  "serve refuses pushes and loses nothing when its disk is full, and takes them when there is room again (needs root that may mount)",
  async () => {
    const disk = await makeTemporaryFolder();
    await succeed("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", disk]);
    try {
      const data = join(disk, "data");
      const berth = await startBerth({ data });
      try {
        const pushed: PushedImage[] = [];
        for (const layerSize of [2_000_000, 100_000, 4000]) {
          const refused = await fillDisk(berth.url, pushed, layerSize);
          expect(refused.status).toBe(507);
          expect(JSON.parse(refused.message).errors[0]).toMatchObject({
            code: "STORAGE_FULL",
            message: expect.stringMatching(/full/),
          });
        }
        expect(pushed.length).toBeGreaterThan(4);
        expect(await missingOfAll(berth.url, pushed)).toEqual([]);
        expect((await fetch(`${berth.url}/readyz`)).status).toBe(200);

        await succeed("mount", ["-o", "remount,size=64m", disk]);
        pushed.push(await pushImage(berth.url, "disk/full", "after", [2_000_000]));
        expect(await missingOfAll(berth.url, pushed)).toEqual([]);
      } finally {
        await berth.stop();
      }
      const again = await startBerth({ data });
      try {
        expect((await fetch(`${again.url}/v2/disk/full/manifests/after`)).status).toBe(200);
      } finally {
        await again.stop();
      }
    } finally {
      await succeed("umount", [disk]);
      await rm(disk, { recursive: true });
    }
  },
  60_000,
);

test.skipIf(!mayMount)(
  "serve goes on shortening the log of its metadata, and ends when told, after its disk was full (needs root that may mount)",
  async () => {
    const disk = await makeTemporaryFolder();
    await succeed("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", disk]);
    try {
      const data = join(disk, "data");
      const berth = await startBerth({ data });
      try {
        const pushSmall = () => pushBlob(berth.url, "disk/small", randomBytes(12_000));
        const refused = await (async () => {
          for (;;) await pushSmall();
        })().catch((error: unknown) => error);
        expect(refused).toMatchObject({ status: 507 });
        await berth.process.waitForOutput(/the log of the metadata cannot be shortened/);

        await succeed("mount", ["-o", "remount,size=64m", disk]);
        const sizeOfMetadata = async () => (await stat(join(data, "metadata.db"))).size;
        const before = await sizeOfMetadata();
        // As slowly as the log is shortened: it would fill this small disk sooner otherwise.
        for (; (await sizeOfMetadata()) === before; await Bun.sleep(50)) await pushSmall();
        expect(await berth.process.stop()).toBe(0);
      } finally {
        await berth.stop();
      }
    } finally {
      await succeed("umount", [disk]);
      await rm(disk, { recursive: true });
    }
  },
  60_000,
);
