import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { askToCollect } from "../fixtures/collections.ts";
import { fillDisk, mayMount } from "../fixtures/disks.ts";
import { makeTemporaryFolder, succeed } from "../fixtures/processes.ts";
import { missingOf, type PushedImage, pushImage } from "../fixtures/pushes.ts";
import { startBerth } from "../fixtures/registries.ts";

test.skipIf(!mayMount)(
  "a full disk has room again once something was deleted and collected (needs root that may mount)",
  async () => {
    const disk = await makeTemporaryFolder();
    await succeed("mount", ["-t", "tmpfs", "-o", "size=128m", "tmpfs", disk]);
    const settings = await makeTemporaryFolder();
    try {
      const config = join(settings, "berth.yaml");
      await Bun.write(config, "gc: { grace: 0s, lease: 0s, every: never }\n");
      const berth = await startBerth({ data: join(disk, "data"), args: ["--config", config] });
      try {
        const pushed: PushedImage[] = [];
        for (let look = 0; !existsSync(join(disk, "data", "reserve")); look++) {
          if (look === 400) throw new Error("no room is put aside");
          await Bun.sleep(5);
        }
        for (const layerSize of [30_000_000, 2_000_000, 100_000, 4000])
          await fillDisk(berth.url, pushed, layerSize);
        const [first, ...rest] = pushed;
        const deleted = await fetch(`${berth.url}/v2/disk/full/manifests/${first?.digest}`, {
          method: "DELETE",
        });
        expect(deleted.status).toBe(202);
        const run = await askToCollect(berth.url);
        expect(await run.json()).toMatchObject({ outcome: "done", manifests: 1, blobs: 2 });
        rest.push(await pushImage(berth.url, "disk/full", "after", [20_000_000]));
        for (const image of rest) expect(await missingOf(berth.url, image)).toEqual([]);
      } finally {
        await berth.stop();
      }
    } finally {
      await succeed("umount", [disk]);
      for (const folder of [disk, settings]) await rm(folder, { recursive: true });
    }
  },
  30_000,
);
