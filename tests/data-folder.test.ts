import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { chown, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { berthProgram } from "./fixtures/command-lines.ts";
import { attempt, makeTemporaryFolder } from "./fixtures/processes.ts";
import { startBerth } from "./fixtures/registries.ts";
import { isAvailable, programPath } from "./programs.ts";

const isRoot = process.getuid?.() === 0;
const nobody = 65534;
let folder: string;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

const serve = (data: string) =>
  attempt(process.execPath, [berthProgram, "serve", "--listen", "127.0.0.1:0", "--data", data]);

/** As root whom file permissions hold back like anybody else. */
async function serveHeldBack(data: string) {
  const without = "-dac_override,-dac_read_search";
  const args = [`--bounding-set=${without}`, `--inh-caps=${without}`, process.execPath];
  return attempt("setpriv", [...args, berthProgram, "serve", "--listen", "127.0.0.1:0", "--data", data]);
}

describe("the data folder of berth serve", () => {
  test("serve refuses a folder of another program, and leaves it as it was", async () => {
    const data = join(folder, "other");
    await mkdir(data);
    for (const name of ["a", "b", "c", "d"]) await writeFile(join(data, name), "");
    const { exitCode, stderr } = await serve(data);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr:
        `berth: the data folder ${data} is another program's: it has "a", "b", "c" and 1 more and nothing of Berth's: ` +
        "choose an empty or a new one with --data\n",
    });
    expect((await readdir(data)).sort()).toEqual(["a", "b", "c", "d"]);
  });

  test("serve takes a folder that has only what a file system puts there, and one that is its own", async () => {
    const data = join(folder, "mounted");
    await mkdir(join(data, "lost+found"), { recursive: true });
    await writeFile(join(data, ".hidden"), "");
    for (const _ of [1, 2]) await (await startBerth({ data })).stop();
  });

  test.skipIf(!isAvailable("strace"))(
    "serve takes a folder whose first start was killed while it was made",
    async () => {
      const data = join(folder, "begun");
      const args = [berthProgram, "serve", "--listen", "127.0.0.1:0", "--data", data];
      for (const name of ["blobs", "uploads", "removed"]) {
        const kill = ["-f", "-qq", "-P", join(data, name), "-e", "inject=mkdir,mkdirat:signal=KILL:when=1"];
        const { exitCode } = await attempt(programPath("strace"), [...kill, process.execPath, ...args]);
        expect([exitCode, existsSync(join(data, name))]).toEqual([-1, false]);
        await (await startBerth({ data })).stop();
        await rm(data, { recursive: true });
      }
    },
    30_000,
  );

  test("serve names what is no folder", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    expect((await serve(file)).stderr).toBe(
      `berth: cannot make the data folder ${file}: it is no folder: choose another with --data\n`,
    );
    expect((await serve(join(file, "data"))).stderr).toBe(
      `berth: cannot make the data folder ${file}/data: a part of the path is no folder: choose another with --data\n`,
    );
  });

  test.skipIf(!isRoot || Bun.which("setpriv") === null)(
    "serve says whose a folder is that it may not write, and what mends it",
    async () => {
      const data = join(folder, "nobodys");
      await mkdir(data, { mode: 0o755 });
      await chown(data, nobody, nobody);
      const belongs = `it belongs to user ${nobody}, and Berth runs as user 0: chown -R 0`;
      expect((await serveHeldBack(data)).stderr).toBe(
        `berth: cannot write to ${data}, where the data is: ${belongs} ${data}, or choose another with --data\n`,
      );
      expect((await serveHeldBack(join(data, "new"))).stderr).toBe(
        `berth: cannot make the data folder ${data}/new: user 0 may not, or choose another with --data\n`,
      );
      await chown(data, 0, 0);
      await writeFile(join(data, "lock.db"), "", { mode: 0o644 });
      await chown(join(data, "lock.db"), nobody, nobody);
      expect((await serveHeldBack(data)).stderr).toContain(
        `cannot write to ${data}/lock.db, where the data is: ${belongs} ${data}/lock.db`,
      );
    },
  );
});
