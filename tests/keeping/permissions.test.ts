import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmod, chown, cp, lstat, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { berthProgram, runBerth } from "../fixtures/command-lines.ts";
import { attempt, makeTemporaryFolder } from "../fixtures/processes.ts";
import { type PushedImage, pushImage } from "../fixtures/pushes.ts";
import { startBerth } from "../fixtures/registries.ts";
import { blobFileOf, readWorkLines } from "../fixtures/stored-blobs.ts";

setDefaultTimeout(30_000);

const isRoot = process.getuid?.() === 0;
const mayChangeUser = isRoot && spawnSync("setpriv", ["--version"]).status === 0;
const nobody = 65_534;

let folder: string;
let source: string;
let image: PushedImage;
let copies = 0;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  await chmod(folder, 0o777);
  source = join(folder, "source");
  const berth = await startBerth({ data: source });
  image = await pushImage(berth.url, "rights/app", "1", [60_000, 30_000]);
  await berth.stop();
});
afterAll(() => rm(folder, { recursive: true }));

/** Makes what is in a folder, and itself, somebody's. */
async function give(path: string, owner: number): Promise<void> {
  for (const below of ["", ...(await readdir(path, { recursive: true }))]) {
    await chown(join(path, below), owner, owner);
  }
}

async function copyOfStore(owner: number): Promise<string> {
  const to = join(folder, `copy-${++copies}`);
  await cp(source, to, { recursive: true });
  await give(to, owner);
  return to;
}

/** Paths below a folder that are not its owner's. */
async function foreignIn(path: string): Promise<readonly string[]> {
  const { uid } = await lstat(path);
  const below = await readdir(path, { recursive: true });
  const owners = await Promise.all(
    below.map(async (name) => [name, (await lstat(join(path, name))).uid] as const),
  );
  return owners.filter(([, owner]) => owner !== uid).map(([name]) => name);
}

async function asNobody(...args: readonly string[]) {
  const privileges = [`--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"];
  const command = [process.execPath, berthProgram, ...args, "--rate", "0", "--json"];
  const { exitCode, stdout, stderr } = await attempt("setpriv", [...privileges, ...command], {
    env: { HOME: folder },
  });
  return { exitCode, stderr, ...(stdout === "" ? { faults: [], done: undefined } : readWorkLines(stdout)) };
}

describe.skipIf(!mayChangeUser)(
  "a user who may not read or write everything (needs root and setpriv)",
  () => {
    test("verify and backup tell what they may not read, and do the rest", async () => {
      const data = await copyOfStore(nobody);
      const [, layer = ""] = image.blobs;
      await chown(blobFileOf(data, layer), 0, 0);
      await chmod(blobFileOf(data, layer), 0o600);
      const verified = await asNobody("verify", "--repair", "--data", data);
      const expected = { exitCode: 1, stderr: "", faults: [{ kind: "blob-unreadable", subject: layer }] };
      expect(verified).toMatchObject(expected);
      expect(verified.done.counts).toMatchObject({ blobs: 3, faults: 1, mended: 0 });
      const target = join(folder, "of-nobody");
      const backedUp = await asNobody("backup", target, "--data", data);
      expect(backedUp).toMatchObject({ ...expected, done: { blobs: 2, copied: 1, faults: 1 } });

      await chown(blobFileOf(data, layer), nobody, nobody);
      expect((await asNobody("verify", "--data", data)).exitCode).toBe(0);
      expect(await asNobody("backup", target, "--data", data)).toMatchObject({
        exitCode: 0,
        done: { copied: 1 },
      });

      await chown(blobFileOf(target, layer), 0, 0);
      expect(await asNobody("verify", target)).toMatchObject(expected);
      const to = join(folder, "restored-by-nobody");
      expect(await asNobody("restore", target, "--data", to)).toMatchObject({
        ...expected,
        done: { copied: 1 },
      });
      const mended = await asNobody("verify", "--data", to);
      expect(mended.faults).toMatchObject([{ kind: "blob-lost", subject: layer }]);
    });

    test("commands say whose a folder is that they may not use, and change nothing", async () => {
      const target = join(folder, "readable");
      expect((await runBerth(["backup", target, "--data", source])).exitCode).toBe(0);
      const data = await copyOfStore(nobody);
      const closed = join(folder, "closed");
      await mkdir(closed, { mode: 0o755 });
      const hidden = await copyOfStore(0);
      await chmod(hidden, 0o700);
      for (const [args, message] of [
        [["verify", "--data", source], `cannot write to ${source}, where the data is: it belongs to user 0`],
        [["verify", "--data", hidden], `cannot write to ${hidden}, where the data is: it belongs to user 0`],
        [["backup", closed, "--data", data], `cannot write to ${closed}`],
        [["backup", join(closed, "new"), "--data", data], "not allowed: check whose it is"],
        [["backup", join(folder, "elsewhere"), "--data", source], `cannot write to ${source}`],
        [["restore", target, "--data", closed], "check whose it is"],
      ] as const) {
        const { exitCode, stderr } = await asNobody(...args);
        expect([args, exitCode, stderr]).toEqual([args, 1, expect.stringContaining(message)]);
      }
      expect(await readdir(closed)).toEqual([]);
    });
  },
);

describe.skipIf(!isRoot)("root and the data folder of another user's Berth (needs root)", () => {
  test("verify, backup and user recover leave no file that its owner could not use", async () => {
    const data = await copyOfStore(nobody);
    const target = join(folder, "of-root");
    for (const args of [
      ["verify", "--data", data],
      ["backup", target, "--data", data],
      ["user", "recover", "--data", data, "--password-stdin"],
    ]) {
      const { exitCode, stderr } = await runBerth(args, { stdin: "a long password\n" });
      expect([args, exitCode, stderr]).toEqual([args, 0, ""]);
      expect(await foreignIn(data)).toEqual([]);
    }
  });

  test("verify --repair and restore refuse to make files there, and say as whom to run them", async () => {
    const data = await copyOfStore(nobody);
    const empty = join(folder, "empty-of-nobody");
    await mkdir(empty);
    await chown(empty, nobody, nobody);
    const target = join(folder, "refused");
    expect((await runBerth(["backup", target, "--data", source])).exitCode).toBe(0);
    for (const args of [
      ["verify", "--repair", "--data", data],
      ["restore", target, "--data", empty],
    ]) {
      const { exitCode, stderr } = await runBerth(args);
      expect([exitCode, stderr]).toEqual([2, expect.stringContaining(`sudo -u '#${nobody}'`)]);
    }
    expect(await foreignIn(data)).toEqual([]);
    expect(await readdir(empty)).toEqual([]);
  });
});
