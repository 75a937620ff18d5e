import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { makeTemporaryFolder, succeed } from "./fixtures/processes.ts";
import { startBerth } from "./fixtures/registries.ts";

setDefaultTimeout(60_000);

const root = join(import.meta.dir, "..");
let folder: string;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  await succeed("node", [join(root, "bin", "build.mjs"), folder], { cwd: root });
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the built program", () => {
  test("serve finds its workers and its checkpoints beside it", async () => {
    const berth = await startBerth({ program: join(folder, "program", "main.js"), args: ["--workers", "2"] });
    const pushed = await fetch(
      `${berth.url}/v2/a/blobs/uploads/?digest=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855`,
      { method: "POST" },
    );
    expect(pushed.status).toBe(201);
    expect((await fetch(`${berth.url}/api/v1/stats`)).status).toBe(200);
    expect(await berth.process.stop()).toBe(0);
    expect(berth.process.output()).not.toContain("rror");
    await berth.stop();
  });

  test("setup server makes certificates", async () => {
    const program = join(folder, "program", "main.js");
    const made = await succeed(process.execPath, [
      program,
      ...["setup", "server", "registry.local", "--out", join(folder, "tls")],
    ]);
    expect(made).toContain("The authority was made");
  });
});

describe("bin/berth.mjs", () => {
  test("berth runs the command line in the folder it is called from", async () => {
    const bin = join(root, "bin", "berth.mjs");
    expect(await succeed("node", [bin, "--version"], { cwd: folder })).toStartWith("berth ");
  });
});
