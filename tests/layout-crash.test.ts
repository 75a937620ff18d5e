import { expect, test } from "bun:test";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openLayout } from "../src/layout/layout.ts";
import { isIndex, parseManifest } from "../src/oci/manifests.ts";
import { parseRegistryName } from "../src/oci/references.ts";
import {
  bytesFor,
  describeBytes,
  errorOf,
  pushBlob,
  pushImage,
  readBlob,
  repositoryA,
  tags,
} from "../src/registry/contract/fixtures.ts";
import { streamOf } from "../src/registry/streams.ts";
import { mayMount } from "./fixtures/disks.ts";
import { makeTemporaryFolder, startProcess, succeed } from "./fixtures/processes.ts";

const kills = 30;
const pushers = 3;
const host = parseRegistryName("example.com");

/** Pushes images and removes some, until it is killed, and prints the tag of each that is there for good. */
const program = `
  import { openLayout } from ${JSON.stringify(join(import.meta.dir, "..", "src", "layout", "layout.ts"))};
  import { bytesFor, pushImage, repositoryA, tags } from ${JSON.stringify(
    join(import.meta.dir, "..", "src", "registry", "contract", "fixtures.ts"),
  )};
  const [folder, name] = process.argv.slice(1);
  const layout = openLayout(folder);
  const registry = layout.at("example.com");
  for (let image = 0; ; image++) {
    const tag = name + "-" + image;
    const seed = Number(name.replace(/\\D/g, "")) * 1000 + image;
    const layers = [bytesFor(1, 50_000), bytesFor(seed, 70_000)];
    await pushImage(registry, repositoryA, { layers, config: { tag }, tags: tags(tag) });
    if (image % 4 === 3) await layout.remove((entry) => entry.tag === tag);
    else console.log(tag);
  }
`;

/** Names of what is not whole in a layout. */
async function damagedIn(folder: string): Promise<readonly string[]> {
  const layout = openLayout(folder);
  const damaged: string[] = [];
  for (const { registry: name, repository, tag, descriptor } of await layout.entries()) {
    const registry = layout.at(name);
    const { bytes } = await registry.getManifest(repository, descriptor.digest);
    const manifest = parseManifest(bytes, descriptor.mediaType);
    for (const blob of isIndex(manifest) ? [] : [manifest.config, ...manifest.layers]) {
      const found = await readBlob(registry, repository, blob);
      if (describeBytes(found).digest !== blob.digest) damaged.push(`${tag} ${blob.digest}`);
    }
  }
  return damaged;
}

test(`a layout keeps every acknowledged push when processes that write to it are killed ${kills} times`, async () => {
  const folder = await makeTemporaryFolder();
  try {
    const layout = join(folder, "layout");
    const acknowledged: string[] = [];
    for (let kill = 0; kill < kills; kill++) {
      const running = Array.from({ length: pushers }, (_, pusher) =>
        startProcess(process.execPath, ["--eval", program, layout, `p${pusher}${kill}`]),
      );
      await Promise.race(running.map((each) => each.waitForOutput(/\n/)));
      // The moment is random on purpose: there is no event to wait for.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 100));
      for (const { pid } of running) process.kill(pid, "SIGKILL");
      for (const each of running) {
        await each.exited;
        acknowledged.push(...(each.output().match(/^p\d+-\d+$/gm) ?? []));
      }
    }
    await pushBlob(openLayout(layout).at(host), repositoryA, bytesFor(9)); // whoever comes next tidies up
    const found = new Set((await openLayout(layout).entries()).map(({ tag }) => tag as string));
    expect(acknowledged.filter((tag) => !found.has(tag))).toEqual([]);
    expect(acknowledged.length).toBeGreaterThanOrEqual(kills);
    expect(await damagedIn(layout)).toEqual([]);
    const temporaries = await readdir(layout, { recursive: true });
    expect(temporaries.filter((name) => name.endsWith(".tmp"))).toEqual([]);
    await openLayout(layout).remove(() => true); // and nobody waits for a lock that was left behind
    expect(await openLayout(layout).entries()).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
}, 120_000);

test.skipIf(!mayMount)(
  "a layout refuses pushes and loses nothing when its disk is full, and takes them when there is room again (needs root that may mount)",
  async () => {
    const disk = await makeTemporaryFolder();
    await succeed("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", disk]);
    try {
      const folder = join(disk, "layout");
      const registry = openLayout(folder).at(host);
      await pushImage(registry, repositoryA, { layers: [bytesFor(1, 3_000_000)], tags: tags("1") });
      const large = bytesFor(2, 6_000_000);
      const { digest, size } = describeBytes(large);
      const reopen = async (offset: number) => streamOf(large.subarray(offset));
      await errorOf(
        registry.putBlob(repositoryA, { digest, size }, streamOf(large), { reopen }),
        "STORAGE_FULL",
      );
      expect(await readdir(join(folder, ".berth")).catch(() => [])).toEqual([]);
      const rest = join(disk, "rest");
      await writeFile(rest, new Uint8Array(4_500_000)).catch(() => {}); // as much as there is room for
      await writeFile(join(disk, "more"), new Uint8Array(1_000_000)).catch(() => {}); // likewise
      await errorOf(
        pushImage(registry, repositoryA, { layers: [bytesFor(3)], tags: tags("2") }),
        "STORAGE_FULL",
      );
      expect((await openLayout(folder).entries()).map(({ tag }) => tag as string)).toEqual(["1"]);
      expect(await damagedIn(folder)).toEqual([]);
      await Promise.all([rest, join(disk, "more")].map((path) => rm(path)));
      await pushBlob(registry, repositoryA, bytesFor(3));
      await pushImage(registry, repositoryA, { layers: [bytesFor(3)], tags: tags("2") });
      expect(await damagedIn(folder)).toEqual([]);
    } finally {
      await succeed("umount", [disk]);
      await rm(disk, { recursive: true });
    }
  },
  60_000,
);
