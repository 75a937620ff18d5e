import { expect, test } from "bun:test";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { askToCollect } from "../fixtures/collections.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";
import { missingOf, type PushedImage, PushRefused, pushImage } from "../fixtures/pushes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { blobsOnDisk } from "../fixtures/stored-blobs.ts";

const kills = 15;
const workers = 2;

/** Pushes images, and deletes all but every third, until the server is gone. Keeps what was acknowledged. */
async function pushAndDelete(url: string, name: string, kept: PushedImage[]): Promise<void> {
  for (let number = 0; ; number++) {
    try {
      const image = await pushImage(url, "crash/app", `${name}-${number}`, [100, 40_000]);
      if (number % 3 === 0) kept.push(image);
      else await fetch(`${url}/v2/crash/app/manifests/${image.digest}`, { method: "DELETE" });
    } catch (error) {
      if (!(error instanceof PushRefused)) return; // refused: what it uploaded was given up already
    }
  }
}

test(`serve keeps what is needed and loses track of no file when it is killed ${kills} times while it collects`, async () => {
  const folder = await makeTemporaryFolder();
  const config = join(folder, "berth.yaml");
  const data = join(folder, "data");
  await writeFile(config, "gc: { grace: 0s, lease: 0s, every: never }\nupload-expiry-hours: 0.0001\n");
  const start = () => startBerth({ data, args: ["--config", config] });
  const kept: PushedImage[] = [];
  try {
    for (let kill = 0; kill < kills; kill++) {
      const berth = await start();
      const collect = async (): Promise<void> => {
        while ((await askToCollect(berth.url).catch(() => undefined))?.ok);
      };
      const acting = Array.from({ length: workers }, (_, at) =>
        pushAndDelete(berth.url, `${kill}-${at}`, kept),
      );
      // The moment is random on purpose: there is no event to wait for.
      setTimeout(() => process.kill(berth.process.pid, "SIGKILL"), 100 + Math.random() * 200);
      await Promise.all([...acting, collect(), berth.process.exited]);
      await berth.stop();
    }
    const berth = await start();
    try {
      const missing: string[] = [];
      for (const image of kept) missing.push(...(await missingOf(berth.url, image)));
      expect(missing).toEqual([]);
      // A push or deletion whose answer was lost may have been done, or not.
      const known = new Set(kept.map(({ tag }) => tag));
      const { tags } = (await (await fetch(`${berth.url}/v2/crash/app/tags/list`)).json()) as {
        tags: string[];
      }; // as the API promises
      for (const tag of tags.filter((each) => !known.has(each))) {
        const { headers } = await fetch(`${berth.url}/v2/crash/app/manifests/${tag}`, { method: "HEAD" });
        const digest = headers.get("docker-content-digest");
        await fetch(`${berth.url}/v2/crash/app/manifests/${digest}`, { method: "DELETE" });
      }
    } finally {
      await berth.stop();
    }
    // Uploads that were cut off are old enough now: the start gives them up.
    const last = await start();
    await untilCollected(last).finally(() => last.stop());
    const needed = new Set(kept.flatMap(({ blobs }) => blobs));
    const files = await blobsOnDisk(data);
    for (const { blobs } of kept) expect(files).toContain(blobs[2] ?? "");
    expect(files.filter((digest) => !needed.has(digest))).toEqual([]);
    expect(await readdir(join(data, "removed"))).toEqual([]);
    expect(kept.length).toBeGreaterThan(5);
  } finally {
    await rm(folder, { recursive: true });
  }
}, 60_000);

/** Runs collections until no upload is left and nothing waits. */
async function untilCollected({ url, data }: RunningRegistry): Promise<void> {
  for (let run = 0; run < 200; run++) {
    await (await askToCollect(url)).json();
    const status = (await (await fetch(`${url}/api/v1/gc`)).json()) as Record<string, number>; // as the API promises
    const isIdle = (await readdir(join(data, "uploads"))).length === 0;
    if (isIdle && status.removedManifests === 0 && status.reviews === 0 && status.files === 0) return;
  }
  throw new Error("something is left that no collection takes");
}
