import { expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { askToCollect } from "../fixtures/collections.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";
import { missingOf, type PushedImage, pushImage } from "../fixtures/pushes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { blobsOnDisk } from "../fixtures/stored-blobs.ts";

const images = 25;
const pushers = 3;
/** As many are there at a time; older ones are deleted. */
const kept = 5;

/** Pushes one image after the other, deletes the oldest, and pulls all that are there. Any answer that is not right throws. */
async function pushDeleteAndPull(url: string, repository: string): Promise<readonly PushedImage[]> {
  const there: PushedImage[] = [];
  for (let number = 0; number < images; number++) {
    there.push(await pushImage(url, repository, `${number}`, [100, 20_000, 300_000]));
    const oldest = there.length > kept ? there.shift() : undefined;
    if (oldest) {
      const place = `${url}/v2/${repository}/manifests/${oldest.digest}`;
      const { status } = await fetch(place, { method: "DELETE" });
      if (status !== 202) throw new Error(`${oldest.digest} was not deleted: ${status}`);
    }
    const pulled = there[number % there.length];
    const missing = pulled ? await missingOf(url, pulled) : [];
    if (missing.length > 0) throw new Error(`not answered as pushed: ${missing.join(", ")}`);
  }
  return there;
}

async function collect({
  url,
}: RunningRegistry): Promise<{ readonly outcome?: string; readonly bytes: number }> {
  return (await (await askToCollect(url)).json()) as { outcome?: string; bytes: number }; // as the API promises
}

/** What the pushes left behind is decided by a run that begins after them. */
async function collectAll(berth: RunningRegistry): Promise<void> {
  for (let ended = 0, look = 0; ended < 2; look++) {
    if (look === 25) throw new Error("the collection does not end");
    if ((await collect(berth)).outcome === "done") ended++;
  }
}

test("no request fails while collections run beside pushes and pulls at full speed, with two workers", async () => {
  const folder = await makeTemporaryFolder();
  const config = join(folder, "berth.yaml");
  await Bun.write(config, "gc: { grace: 0s, lease: 0s, every: never }\n");
  const berth = await startBerth({ args: ["--config", config, "--workers", "2"] });
  try {
    let isOver = false;
    let beside = 0;
    const collecting = async (): Promise<void> => {
      while (!isOver) beside += (await collect(berth)).bytes;
    };
    const acting = Promise.all(
      Array.from({ length: pushers }, (_, at) => pushDeleteAndPull(berth.url, `speed/app-${at}`)),
    ).finally(() => {
      isOver = true;
    });
    const [there] = await Promise.all([acting, collecting()]);
    expect(beside).toBeGreaterThan(0);
    for (const image of there.flat()) expect(await missingOf(berth.url, image)).toEqual([]);
    await collectAll(berth);
    expect((await blobsOnDisk(berth.data)).toSorted()).toEqual(
      there
        .flat()
        .flatMap(({ blobs }) => blobs.slice(2))
        .toSorted(),
    );
  } finally {
    await berth.stop();
    await rm(folder, { recursive: true });
  }
}, 30_000);
