import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { berthProgram, runBerth } from "../fixtures/command-lines.ts";
import { attempt, makeTemporaryFolder } from "../fixtures/processes.ts";
import { pushImage } from "../fixtures/pushes.ts";
import { startBerth } from "../fixtures/registries.ts";
import { readWorkLines } from "../fixtures/stored-blobs.ts";

setDefaultTimeout(30_000);

const mayTrace = spawnSync("strace", ["-o", "/dev/null", "true"]).status === 0;

let folder: string;
let target: string;
beforeAll(async () => {
  folder = await makeTemporaryFolder();
  target = join(folder, "target");
  const berth = await startBerth({ data: join(folder, "data") });
  await pushImage(berth.url, "broken/app", "1", [60_000, 30_000]);
  await berth.stop();
  expect((await runBerth(["backup", target, "--data", join(folder, "data")])).exitCode).toBe(0);
});
afterAll(() => rm(folder, { recursive: true }));

const restore = (to: string) => runBerth(["restore", target, "--data", to]);

async function expectWhole(data: string): Promise<void> {
  const { exitCode, stdout } = await runBerth(["verify", "--data", data, "--json"]);
  expect([exitCode, readWorkLines(stdout).done.counts]).toMatchObject([0, { manifests: 1, blobs: 3 }]);
}

describe("berth restore", () => {
  // Each is the moment right after so many calls of the system, of one thread, have ended.
  const moments = [
    ...[1, 2].map((at) => ["mkdir", at] as const),
    ...[1, 2, 4, 6, 8].map((at) => ["fsync", at] as const),
    ...[1, 2, 3].map((at) => ["rename", at] as const),
    ...[1, 3, 5].map((at) => ["unlink", at] as const),
  ];
  test.skipIf(!mayTrace)(
    "restore that is killed anywhere goes on when run again (needs strace)",
    async () => {
      let killed = 0;
      for (const [call, at] of moments) {
        const to = join(folder, `killed-${call}-${at}`);
        const inject = ["-e", `trace=${call}`, "-e", `inject=${call}:signal=SIGKILL:when=${at}`];
        const program = [process.execPath, berthProgram, "restore", target, "--data", to];
        const broken = await attempt("strace", ["-f", "-qq", "-o", "/dev/null", ...inject, ...program]);
        if (broken.exitCode !== 0) killed++;
        const wasWhole = existsSync(join(to, "metadata.db")) && !existsSync(join(to, "restore.json"));
        // Nobody takes a part for the whole.
        if (wasWhole) await expectWhole(to);
        else expect((await runBerth(["verify", "--data", to])).exitCode).toBe(1);
        const again = await restore(to);
        const expected = wasWhole ? [1, expect.stringContaining("is not empty")] : [0, ""];
        expect([call, at, again.exitCode, again.stderr]).toEqual([call, at, ...expected]);
        await expectWhole(to);
      }
      expect(killed).toBeGreaterThan(moments.length / 2);
    },
  );

  test.each([
    ["is empty", ""],
    ["is cut off", '{"poi'],
    ["is something else's", "[]"],
  ])("restore names a restore.json that %s, and says what to do", async (what, text) => {
    const to = join(folder, what);
    await mkdir(to);
    await writeFile(join(to, "restore.json"), text);
    const { exitCode, stderr } = await restore(to);
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringMatching(new RegExp(`${to}/restore\\.json is damaged.*: remove the folder`)),
    ]);
    expect(await readdir(to)).toEqual(["restore.json"]);
  });

  test("restore goes on where one was broken off before it had its mark, and no server begins a store there", async () => {
    const to = join(folder, "no-mark");
    await mkdir(to);
    await writeFile(join(to, "lock.db"), "");
    await writeFile(join(to, "restore.json.unfinished"), '{"po');
    const refused = await attempt(process.execPath, [
      berthProgram,
      "serve",
      "--listen",
      "127.0.0.1:0",
      "--data",
      to,
    ]);
    expect([refused.exitCode, refused.stderr]).toEqual([
      1,
      expect.stringContaining("was not restored to its end"),
    ]);
    expect((await restore(to)).exitCode).toBe(0);
    await expectWhole(to);
    expect(existsSync(join(to, "restore.json.unfinished"))).toBe(false);
  });
});

test("backup goes on in a folder whose mark was being written when it was killed", async () => {
  const begun = join(folder, "begun");
  await mkdir(begun);
  await writeFile(join(begun, "lock.db"), "");
  await writeFile(join(begun, "berth-backup.json.unfinished"), "{");
  expect((await runBerth(["backup", begun, "--data", join(folder, "data")])).exitCode).toBe(0);
});
