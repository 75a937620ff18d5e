import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { makeTemporaryFolder } from "./fixtures/processes.ts";
import { missingOf, type PushedImage, PushRefused, pushImage } from "./fixtures/pushes.ts";
import { startBerth } from "./fixtures/registries.ts";

const pushers = 4;

/** Pushes images until the server is gone, and keeps each that was acknowledged. */
async function pushUntilKilled(url: string, name: string, pushed: PushedImage[]): Promise<void> {
  for (let image = 0; ; image++) {
    try {
      pushed.push(await pushImage(url, `crash/${name.split("-")[0]}`, `${name}-${image}`, [1000, 70_000]));
    } catch (error) {
      if (error instanceof PushRefused) throw error; // a server that lives takes everything
      return;
    }
  }
}

async function damagedFiles(folder: string): Promise<readonly string[]> {
  const damaged: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const hash = createHash("sha256");
    await pipeline(createReadStream(join(entry.parentPath, entry.name)), hash);
    if (hash.digest("hex") !== basename(entry.name)) damaged.push(entry.name);
  }
  return damaged;
}

test.each([
  [100, "1", 180],
  [8, "2", 800],
])(
  "serve keeps every acknowledged push when it is killed %i times under parallel pushes, with --workers %s",
  async (kills, workers, windowMs) => {
    const args = ["--workers", workers];
    const data = await makeTemporaryFolder();
    try {
      const pushed: PushedImage[] = [];
      for (let kill = 0; kill < kills; kill++) {
        const berth = await startBerth({ data, args });
        const pushing = Array.from({ length: pushers }, (_, pusher) =>
          pushUntilKilled(berth.url, `p${pusher}-${kill}`, pushed),
        );
        // The moment is random on purpose: there is no event to wait for.
        setTimeout(() => process.kill(berth.process.pid, "SIGKILL"), 20 + Math.random() * windowMs);
        await Promise.all([...pushing, berth.process.exited]);
        await berth.stop();
      }
      const berth = await startBerth({ data, args });
      try {
        expect((await fetch(`${berth.url}/readyz`)).status).toBe(200);
        const missing: string[] = [];
        for (const image of pushed) missing.push(...(await missingOf(berth.url, image)));
        expect(missing).toEqual([]);
        expect(pushed.length).toBeGreaterThan(kills);
      } finally {
        await berth.stop();
      }
      // The pages of a killed process are with the system: what stands under a digest's name is whole.
      expect(await damagedFiles(join(data, "blobs"))).toEqual([]);
    } finally {
      await rm(data, { recursive: true });
    }
  },
  180_000,
);
