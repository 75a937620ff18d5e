import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, readdir, rm, symlink, truncate, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runBerth } from "../fixtures/command-lines.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";
import { pushImage } from "../fixtures/pushes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { blobFileOf, flipBit, readWorkLines } from "../fixtures/stored-blobs.ts";

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

async function run(...args: readonly string[]) {
  const { exitCode, stdout, stderr } = await runBerth([...args, "--rate", "0", "--json"]);
  return { exitCode, stderr, ...(stdout === "" ? { faults: [], done: undefined } : readWorkLines(stdout)) };
}
const backUp = (target: string, ...flags: readonly string[]) =>
  run("backup", target, "--data", berth.data, ...flags);
const push = (tag: string) => pushImage(berth.url, `folders/${tag}`, "1", [50_000, 30_000]);

describe("berth backup --keep", () => {
  test("backup leaves alone what is not its own, says so, and removes what is", async () => {
    const target = join(folder, "foreign");
    const image = await push("foreign");
    await backUp(target);
    const [, layer = ""] = image.blobs;
    const place = dirname(blobFileOf(target, layer));
    const foreign = [
      join(target, "blobs", "README"),
      join(target, "blobs", "sha256", "notes.txt"),
      join(place, "mine"),
      join(place, "a".repeat(64)), // another folder's
      join(target, "points", "keep-this.txt"),
    ];
    for (const path of foreign) await writeFile(path, "mine");
    await symlink(join(target, "blobs", "README"), join(place, `${layer.slice(7, 9)}${"0".repeat(62)}`));
    await mkdir(join(target, "blobs", "old", "sub"), { recursive: true });
    await writeFile(`${blobFileOf(target, layer)}.partial`, "of a backup that was killed");
    const last = await backUp(target, "--keep", "1");
    expect(last.exitCode).toBe(0);
    const inPlace = ["mine", "a".repeat(64), `${layer.slice(7, 9)}${"0".repeat(62)}`];
    const told = [
      "README",
      "old",
      "sha256/notes.txt",
      ...inPlace.map((name) => `sha256/${layer.slice(7, 9)}/${name}`),
    ];
    expect(new Set(last.done.removed.foreign)).toEqual(new Set(told.map((path) => `blobs/${path}`)));
    expect(last.stderr).toContain("blobs/README");
    for (const path of foreign) expect(existsSync(path)).toBe(true);
    expect(existsSync(`${blobFileOf(target, layer)}.partial`)).toBe(false);
    expect(last.done.removed).toMatchObject({ points: [expect.any(String)], blobs: 0 });
  });
});

describe("berth verify TARGET", () => {
  test("verify reads every blob of a folder of backups, and names the points that a damaged one spoils", async () => {
    const target = join(folder, "verified");
    const one = await push("one");
    const first = await backUp(target);
    await push("two");
    const second = await backUp(target);
    const whole = await run("verify", target);
    expect(whole).toMatchObject({ exitCode: 0, stderr: "", faults: [], done: { points: 2, faults: 0 } });
    expect(whole.done.blobs).toBe(second.done.blobs);
    expect(whole.done.bytes).toBe(second.done.bytes);

    const [, damaged = "", lost = ""] = one.blobs;
    await flipBit(blobFileOf(target, damaged));
    await unlink(blobFileOf(target, lost));
    const points = `in ${first.done.point}, ${second.done.point}`;
    const expected = [
      { kind: "blob-damaged", subject: damaged, detail: expect.stringContaining(points) },
      { kind: "blob-lost", subject: lost, detail: expect.stringContaining(points) },
    ];
    for (const flags of [[], ["--repair"]]) {
      const found = await run("verify", target, ...flags);
      expect([found.exitCode, found.faults]).toEqual([1, expect.arrayContaining(expected)]);
      expect(found.faults).toHaveLength(2);
      expect(existsSync(blobFileOf(target, damaged))).toBe(flags.length === 0);
    }
    expect((await readdir(join(target, "quarantine"))).join()).toContain(damaged.slice(7));
    expect((await backUp(target)).done).toMatchObject({ copied: 2, faults: 0 });
    expect((await run("verify", target)).faults).toEqual([]);
    const restored = await run("restore", target, "--at", first.done.point, "--data", join(folder, "first"));
    expect([restored.exitCode, restored.faults]).toEqual([0, []]);
  });

  test("verify tells of points that cannot be read, and reads the others", async () => {
    const target = join(folder, "points");
    await push("points");
    const [one, two, three] = [await backUp(target), await backUp(target), await backUp(target)];
    await truncate(join(target, "points", one.done.point, "metadata.db"), 100);
    await Bun.write(join(target, "points", two.done.point, "point.json"), "");
    const { exitCode, faults, done } = await run("verify", target);
    expect([exitCode, faults.map(({ kind, subject }) => [kind, subject])]).toEqual([
      1,
      [
        ["metadata-damaged", one.done.point],
        ["metadata-damaged", two.done.point],
      ],
    ]);
    expect(done).toMatchObject({ points: 3, blobs: three.done.blobs });
  });

  test("verify says what a folder is that holds no backups, and takes no flag of a data folder's", async () => {
    for (const [args, exitCode, message] of [
      [[folder], 1, "there are no backups in"],
      [[berth.data], 1, "it is a data folder, which goes behind --data"],
      [[folder, "--data", berth.data], 2, "give one"],
      [[folder, "--repair", "--from", folder], 2, "--from goes with --data"],
    ] as const) {
      const result = await runBerth(["verify", ...args]);
      expect([result.exitCode, result.stderr]).toEqual([exitCode, expect.stringContaining(message)]);
    }
  });
});
