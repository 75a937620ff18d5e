import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { mayMount } from "./fixtures/disks.ts";
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
    const tls = join(folder, "tls");
    expect(await succeed(berth, ["setup", "server", "registry.local", "--out", tls])).toContain(
      "The authority was made",
    );
  });

  // Only the first process of a container is not ended by a signal that it has no handler for.
  test.skipIf(!mayMount)(
    "an executable as the first process ends by the earliest signal that it can notice",
    async () => {
      const args = ["--pid", "--fork", "--kill-child", "--mount-proc", berth];
      const serve = ["serve", "--listen", "127.0.0.1:0", "--data", join(folder, "first")];
      for (const afterMs of [0, 0, 5, 10, 20, 30, 50, 80]) {
        const unshare = startProcess("unshare", [...args, ...serve]);
        try {
          const pid = await untilCatching(unshare.pid, "SIGTERM");
          await Bun.sleep(afterMs); // a moment of the start as good as any
          process.kill(pid, "SIGTERM");
          const late = AbortSignal.timeout(8_000);
          const ended = new Promise<string>((resolve) =>
            late.addEventListener("abort", () => resolve("too late")),
          );
          expect([0, 143] as unknown[]).toContain(await Promise.race([unshare.exited, ended]));
        } finally {
          await unshare.stop("SIGKILL");
        }
      }
    },
    30_000,
  );

  /** Resolves to the process that another has started, once it has a handler for a signal. */
  async function untilCatching(parent: number, signal: "SIGTERM"): Promise<number> {
    const deadline = Date.now() + 10_000;
    for (;;) {
      const [pid = ""] = (await readFile(`/proc/${parent}/task/${parent}/children`, "utf8")).split(" ");
      const status = pid === "" ? "" : await readFile(`/proc/${pid}/status`, "utf8");
      const caught = /^SigCgt:\t(\S+)$/m.exec(status)?.[1] ?? "0";
      if ((BigInt(`0x${caught}`) >> BigInt(constants.signals[signal] - 1)) & 1n) return Number(pid);
      if (Date.now() > deadline) throw new Error(`no handler for ${signal} in 10 s: ${status}`);
    }
  }
});

// Nobody has run these here: what can be seen is that they are for the processor, complete, and signed if that is needed.
describe("npm run executables, for macOS", () => {
  test.each([
    ["darwin-arm64", 0x0100000c],
    ["darwin-x64", 0x01000007],
  ])(
    "an executable for %s is one, with the program inside",
    async (platform, processor) => {
      const folder = await makeTemporaryFolder();
      try {
        const bytes = await readFile(await buildExecutable(platform, folder));
        const [magic, cpu, , kind, count] = [0, 4, 8, 12, 16].map((at) => bytes.readUInt32LE(at));
        expect([magic, cpu, kind]).toEqual([0xfeedfacf, processor, machOExecutable]);
        const commands = new Map<number, number>();
        for (let index = 0, at = 32; index < (count ?? 0); index++) {
          commands.set(bytes.readUInt32LE(at), at);
          at += bytes.readUInt32LE(at + 4);
        }
        const signature = commands.get(codeSignature) ?? Number.NaN;
        const end = bytes.readUInt32LE(signature + 8) + bytes.readUInt32LE(signature + 12);
        if (platform === "darwin-arm64") expect(end).toBe(bytes.byteLength);
        expect(bytes.includes("did you mean")).toBe(true);
      } finally {
        await rm(folder, { recursive: true });
      }
    },
    60_000,
  );
});

// https://github.com/apple-oss-distributions/xnu/blob/main/EXTERNAL_HEADERS/mach-o/loader.h
const machOExecutable = 2;
const codeSignature = 0x1d;
