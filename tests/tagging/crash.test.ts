import { expect, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mediaTypes } from "../../src/oci/media-types.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";
import { startBerth } from "../fixtures/registries.ts";
import { contentOf, digestFor } from "../fixtures/tagging-store.ts";

const kills = 25;
const pushers = 4;

/** Pushes patches until the server is gone, and keeps the number of each that was acknowledged. */
async function pushUntilKilled(url: string, nextPatch: () => number, pushed: number[]): Promise<void> {
  for (;;) {
    const patch = nextPatch();
    const answer = await fetch(`${url}/v2/crash/app/manifests/1.0.${patch}`, {
      method: "PUT",
      headers: { "content-type": mediaTypes.ociIndex },
      body: contentOf(`${patch}`).slice().buffer,
    }).catch(() => undefined);
    if (!answer) return;
    if (answer.status !== 201) throw new Error(await answer.text());
    pushed.push(patch);
  }
}

test(`a version and its floating tags are there together, or not at all, when serve is killed ${kills} times`, async () => {
  const folder = await makeTemporaryFolder();
  const config = join(folder, "berth.yaml");
  await writeFile(
    config,
    'tags: [{ repositories: ["**"], float: [minor, latest], manual-floats: refuse }]\n',
  );
  const options = { data: join(folder, "data"), args: ["--config", config] };
  const pushed: number[] = [];
  let patch = 0;
  try {
    for (let kill = 0; kill < kills; kill++) {
      const berth = await startBerth(options);
      const digestAt = async (tag: string) =>
        (await fetch(`${berth.url}/v2/crash/app/manifests/${tag}`)).headers.get("docker-content-digest");
      const { tags = [] } = (await (await fetch(`${berth.url}/v2/crash/app/tags/list`)).json()) as {
        tags?: string[]; // what the API promises, of a repository that is there
      };
      const patches = tags.filter((tag) => /^1\.0\.\d/.test(tag)).map((tag) => Number(tag.slice(4)));
      const present = new Set(patches);
      expect(pushed.filter((each) => !present.has(each))).toEqual([]);
      if (patches.length > 0) {
        const highest = digestFor(`${Math.max(...patches)}`);
        expect([await digestAt("1.0"), await digestAt("latest")]).toEqual([highest, highest]);
      }
      const pushing = Array.from({ length: pushers }, () =>
        pushUntilKilled(berth.url, () => patch++, pushed),
      );
      // The moment is random on purpose: there is no event to wait for.
      setTimeout(() => process.kill(berth.process.pid, "SIGKILL"), 20 + Math.random() * 80);
      await Promise.all([...pushing, berth.process.exited]);
      await berth.stop();
    }
    expect(pushed.length).toBeGreaterThan(kills);
  } finally {
    await rm(folder, { recursive: true });
  }
}, 120_000);
