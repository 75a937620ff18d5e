import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { mediaTypes } from "../../src/oci/media-types.ts";
import { parseRepositoryName, parseTag } from "../../src/oci/names.ts";
import { openStore, type Store } from "../../src/store/store.ts";
import { runBerth } from "../fixtures/command-lines.ts";
import { makeContainerTools } from "../fixtures/container-tools.ts";
import { writeLayout } from "../fixtures/layouts.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";
import { missingOf, type PushedImage, pushImage } from "../fixtures/pushes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { readWorkLines } from "../fixtures/stored-blobs.ts";
import { contentOf, digestFor } from "../fixtures/tagging-store.ts";
import { isAvailable } from "../programs.ts";

setDefaultTimeout(30_000);

let folder: string;
let berth: RunningRegistry;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  berth = await startBerth();
});
afterAll(async () => {
  await berth.stop();
  await rm(folder, { recursive: true });
});

const push = (tag: string) => pushImage(berth.url, "backup/app", tag, [100_000, 40_000]);

async function run(...args: readonly string[]) {
  const { exitCode, stdout, stderr } = await runBerth([...args, "--json", "--rate", "0"]);
  return { exitCode, stderr, ...(stdout === "" ? { faults: [], done: undefined } : readWorkLines(stdout)) };
}
const backUp = (name: string, ...flags: readonly string[]) =>
  run("backup", join(folder, name), "--data", berth.data, ...flags);
const restore = (name: string, to: string, ...flags: readonly string[]) =>
  run("restore", join(folder, name), "--data", join(folder, to), ...flags);

/** What a server over a restored folder lacks of images. */
async function missingIn(data: string, images: readonly PushedImage[]): Promise<readonly string[]> {
  const restored = await startBerth({ data: join(folder, data) });
  try {
    return (await Promise.all(images.map((image) => missingOf(restored.url, image)))).flat();
  } finally {
    await restored.stop();
  }
}

describe("berth backup and restore", () => {
  test("restore brings back what was there when the point was made, byte for byte", async () => {
    const images = [await push("1"), await push("2")];
    expect(await backUp("main")).toMatchObject({
      ...{ exitCode: 0, stderr: "", faults: [] },
      done: { blobs: 4, copied: 4, present: 0 },
    });
    const later = await push("3");
    expect((await restore("main", "restored")).exitCode).toBe(0);
    expect(await missingIn("restored", images)).toEqual([]);
    expect((await missingIn("restored", [later])).length).toBeGreaterThan(0);
    const verified = await run("verify", "--data", join(folder, "restored"));
    expect(verified).toMatchObject({ exitCode: 0, faults: [], done: { counts: { manifests: 2, blobs: 6 } } });
  });

  test("backup copies what is new, keeps as many points as it is told, and drops what none of them has", async () => {
    const target = join(folder, "kept");
    const first = await push("first");
    const one = await backUp("kept");
    for (const digest of first.blobs.slice(1)) {
      const path = `/v2/backup/app/manifests/${first.digest}`;
      await fetch(berth.url + path, { method: "DELETE" });
      await fetch(`${berth.url}/v2/backup/app/blobs/${digest}`, { method: "DELETE" });
    }
    await push("second");
    const two = await backUp("kept");
    expect(two.done).toMatchObject({ copied: 2, present: one.done.blobs });
    const listed = await runBerth(["restore", target, "--list"]);
    expect(listed.stdout.split("\n").map((line) => line.split(" ")[0])).toEqual([
      ...["POINT", one.done.point, two.done.point, ""],
    ]);
    const three = await backUp("kept", "--keep", "1");
    expect(three.done.removed.points).toEqual([one.done.point, two.done.point]);
    expect(await readdir(join(target, "points"))).toEqual([three.done.point]);
  });
});

test("a restored store confuses no cursor and no token, and belongs to the same folder of backups", async () => {
  const data = join(folder, "past");
  const to = join(folder, "past-restored");
  const target = join(folder, "of-past");
  const account = { name: "ann", kind: "person", source: "local" } as const;
  const credential = (id: string, kind: "token" | "refresh") => {
    const hash = new Uint8Array(32).fill(id.charCodeAt(0));
    return { id, kind, hash, accountId: 1, name: id };
  };
  const before = await openStore({ folder: data });
  const push = ({ registry }: Store, name: string) =>
    registry.putManifest(parseRepositoryName("past/app"), {
      ...{ bytes: contentOf(name), mediaType: mediaTypes.ociIndex, tags: [parseTag("1")] },
    });
  await push(before, "one");
  const { access, collection } = before.metadata;
  await access.createAccount(account);
  await access.createCredential(credential("token", "token"));
  await access.createCredential(credential("refresh", "refresh"));
  await access.addSigningKey({ id: "k", jwk: "{}", createdAt: 1 }, 0, 0);
  await collection.hold("somebody else", new Date(Date.now() + 3_600_000));
  expect((await run("backup", target, "--data", data)).exitCode).toBe(0);
  await push(before, "told after the backup");
  const cursor = await before.metadata.lastChange();
  await before.close();

  expect((await run("restore", target, "--data", to)).exitCode).toBe(0);
  const after = await openStore({ folder: to });
  try {
    const { metadata } = after;
    await push(after, "new");
    // A reader whose cursor is ahead of what was restored gets all that is new, and nothing else.
    const changes = await metadata.listChanges({ after: cursor, limit: 10 });
    expect(changes.map(({ manifest }) => manifest)).toEqual([digestFor("new")]);
    expect(await metadata.access.signingKeys()).toEqual([]);
    expect(await metadata.access.getCredential("token", 0)).toMatchObject({ name: "token" });
    expect(await metadata.access.getCredential("refresh", 0)).toBeUndefined();
    expect((await metadata.access.createAccount({ ...account, name: "bob" }))?.id).toBeGreaterThan(1000);
    expect((await metadata.collection.backlog()).holds).toEqual([]);
    expect(await metadata.audit.list({ action: "store.restore" }, undefined, 2)).toHaveLength(1);
  } finally {
    await after.close();
  }
  expect((await run("backup", target, "--data", to)).exitCode).toBe(0);
  const other = await openStore({ folder: join(folder, "another") });
  await other.close();
  const refused = await run("backup", target, "--data", join(folder, "another"));
  expect([refused.exitCode, refused.stderr]).toEqual([
    1,
    expect.stringContaining("the backups of another store"),
  ]);
  const file = join(folder, "file");
  await Bun.write(file, "");
  expect((await run("backup", file, "--data", to)).stderr).toContain(
    `${file}: something else of that name is there`,
  );
});

test("backup and verify are right about a store that is pushed to, deleted from and collected meanwhile", async () => {
  const config = join(folder, "busy.yaml");
  await Bun.write(config, "gc: { grace: 0s, lease: 0s, every: 1s }\nupload-expiry-hours: 0.001\n");
  const busy = await startBerth({ data: join(folder, "busy"), args: ["--config", config] });
  const state = { over: false, pushed: 0 };
  const work = async (worker: number): Promise<void> => {
    for (let at = 0; !state.over; at++) {
      const image = await pushImage(busy.url, `busy/r${worker}`, `${at}`, [30_000, 20_000]);
      state.pushed++;
      if (at % 3 === 0) continue;
      const path = `${busy.url}/v2/${image.repository}/manifests/${image.digest}`;
      expect((await fetch(path, { method: "DELETE" })).status).toBe(202);
    }
  };
  const working = Promise.all([1, 2].map(work));
  try {
    const target = join(folder, "of-busy");
    for (let isLast = false; !isLast; ) {
      isLast = state.pushed >= 30;
      const [verified, backedUp] = await Promise.all([
        run("verify", "--data", busy.data),
        run("backup", target, "--data", busy.data, "--keep", "2"),
      ]);
      expect([verified.faults, backedUp.faults]).toEqual([[], []]);
    }
    const to = join(folder, "busy-restored");
    expect((await run("restore", target, "--data", to)).faults).toEqual([]);
    const restored = await run("verify", "--data", to);
    expect([restored.exitCode, restored.faults]).toEqual([0, []]);
    expect(restored.done.counts.manifests).toBeGreaterThan(3);
  } finally {
    state.over = true;
    await working;
    await busy.stop();
  }
});

test.skipIf(!isAvailable("skopeo"))(
  "skopeo pulls the digest that it pushed from a store that was lost and restored",
  async () => {
    const tools = await makeContainerTools([]);
    const data = join(folder, "lost");
    try {
      const image = { folder: join(folder, "image"), layers: [16, 200_000], seed: "lost" };
      const digest = await writeLayout({ ...image, platforms: ["linux/amd64"] });
      const before = await startBerth({ data });
      const flags = ["--dest-tls-verify=false", "--src-tls-verify=false"];
      await tools.skopeo(
        "copy",
        ...flags,
        `oci:${image.folder}:latest`,
        `docker://${before.host}/lost/app:1`,
      );
      const target = join(folder, "of-lost");
      expect((await run("backup", target, "--data", data)).exitCode).toBe(0);
      await before.stop();
      await rm(data, { recursive: true });
      expect((await run("restore", target, "--data", data)).exitCode).toBe(0);
      const after = await startBerth({ data });
      await tools.skopeo(
        "copy",
        ...flags,
        `docker://${after.host}/lost/app@${digest}`,
        `dir:${join(folder, "pulled")}`,
      );
      expect((await stat(join(folder, "pulled", "manifest.json"))).size).toBeGreaterThan(0);
      await after.stop();
    } finally {
      await tools.remove();
    }
  },
);
