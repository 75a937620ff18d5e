import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { readdir, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { runBerth } from "../fixtures/command-lines.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";
import { pushImage } from "../fixtures/pushes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { blobFileOf, readWorkLines } from "../fixtures/stored-blobs.ts";

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

const run = (...args: readonly string[]) => runBerth([...args, "--rate", "0", "--json"]);

const backUp = async (target: string, ...flags: readonly string[]) => {
  const { stdout, stderr } = await run("backup", target, "--data", berth.data, ...flags);
  return { stderr, ...readWorkLines(stdout).done };
};

test("a point whose point.json is damaged is refused alone, and keeps every blob", async () => {
  const target = join(folder, "described");
  const first = await pushImage(berth.url, "points/app", "1", [30_000]);
  const [, layer = ""] = first.blobs;
  const whole = await backUp(target);
  const damaged = await backUp(target);
  await Bun.write(join(target, "points", damaged.point, "point.json"), '{"format":1');

  const listed = await runBerth(["restore", target, "--list"]);
  expect(listed.stdout).toMatch(new RegExp(`^${damaged.point} +damaged`, "m"));
  expect(listed.stdout).toContain(whole.point);
  const data = join(folder, "described-restored");
  for (const at of [[], ["--at", damaged.point]]) {
    const { exitCode, stderr } = await run("restore", target, "--data", data, ...at);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(`the point ${damaged.point} is damaged`)]);
  }
  expect((await run("restore", target, "--data", data, "--at", whole.point)).exitCode).toBe(0);

  await truncate(blobFileOf(data, layer), 10);
  const verified = await run("verify", "--data", data, "--repair", "--from", target);
  expect([verified.exitCode, verified.stderr]).toEqual([0, expect.stringContaining(damaged.point)]);

  await fetch(`${berth.url}/v2/points/app/manifests/${first.digest}`, { method: "DELETE" });
  await fetch(`${berth.url}/v2/points/app/blobs/${layer}`, { method: "DELETE" });
  const last = await backUp(target, "--keep", "1");
  expect(last.removed).toMatchObject({ points: [whole.point], blobs: 0, damaged: [damaged.point] });
  expect(last.stderr).toContain("no blobs were removed");
  expect((await readdir(join(target, "points"))).sort()).toEqual([damaged.point, last.point]);
  expect(existsSync(blobFileOf(target, layer))).toBe(true);
});

test("a point whose metadata are cut off is refused before anything is written, and removes no blob", async () => {
  const target = join(folder, "cut");
  const { blobs } = await pushImage(berth.url, "points/cut", "1", [30_000]);
  const [, layer = ""] = blobs;
  const whole = await backUp(target);
  const cut = await backUp(target);
  await truncate(join(target, "points", cut.point, "metadata.db"), 5000);
  const data = join(folder, "cut-restored");
  const { exitCode, stderr } = await run("restore", target, "--data", data);
  expect([exitCode, stderr]).toEqual([
    1,
    expect.stringMatching(
      /metadata of point \S+ are damaged \(.* 5000 bytes.*restore another point with --at/,
    ),
  ]);
  expect(existsSync(data)).toBe(false);
  expect((await run("restore", target, "--data", data, "--at", whole.point)).exitCode).toBe(0);
  const last = await backUp(target, "--keep", "1");
  expect(last.removed).toMatchObject({ points: [whole.point], blobs: 0, damaged: [cut.point] });
  expect(existsSync(blobFileOf(target, layer))).toBe(true);
});
