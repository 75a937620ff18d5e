import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildExecutable } from "./fixtures/executables.ts";
import { attempt, makeTemporaryFolder, startProcess, succeed } from "./fixtures/processes.ts";

const platform = `${process.platform}-${process.arch}`;
const isMade = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"].includes(platform);
/** The digest of no bytes. */
const empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

describe.skipIf(!isMade)("npm run executables", () => {
  let folder: string;
  let berth: string;

  beforeAll(async () => {
    folder = await makeTemporaryFolder();
    berth = await buildExecutable(platform, folder);
  }, 60_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test("an executable is its own worker processes and threads, whatever stands in the working folder", async () => {
    await writeFile(join(folder, ".env"), "BERTH_LOG_LEVEL=nonsense\n");
    await writeFile(join(folder, "bunfig.toml"), 'preload = ["./nothing.ts"]\n');
    const data = join(folder, "data");
    const args = ["serve", "--listen", "127.0.0.1:0", "--data", data, "--workers", "2"];
    const server = startProcess(berth, args, { cwd: folder });
    const [url] = await server.waitForOutput(/http:\/\/127\.0\.0\.1:\d+/);
    expect(await succeed(berth, ["healthcheck", "--data", data], { cwd: folder })).toBe(`${url} is ready`);

    const changedMs = async () => (await stat(join(data, "metadata.db"))).mtimeMs;
    const before = await changedMs();
    const pushed = await fetch(`${url}/v2/a/blobs/uploads/?digest=${empty}`, { method: "POST" });
    expect(pushed.status).toBe(201);
    // Only the thread that shortens SQLite's log writes to this file, every two seconds.
    const deadline = Date.now() + 20_000;
    while ((await changedMs()) === before) {
      if (Date.now() > deadline) throw new Error(`the log was not shortened:\n${server.output()}`);
      await Bun.sleep(100);
    }
    expect((await fetch(`${url}/api/v1/stats`)).status).toBe(200);
    expect(await server.stop()).toBe(0);
    expect(server.output()).not.toContain("rror");
  }, 60_000);

  test("an executable answers as berth does", async () => {
    expect(await succeed(berth, ["--version"])).toStartWith("berth ");
    const { exitCode, stderr } = await attempt(berth, ["nothing"]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('there is no command "nothing"');
  });
});
