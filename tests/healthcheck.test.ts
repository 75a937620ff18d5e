import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeCertificate } from "./fixtures/certificates.ts";
import { berthProgram, runBerth } from "./fixtures/command-lines.ts";
import { makeTemporaryFolder, startProcess } from "./fixtures/processes.ts";
import { startBerth } from "./fixtures/registries.ts";
import { isAvailable } from "./programs.ts";

let folder: string;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

describe("berth healthcheck", () => {
  test("healthcheck finds the server of a data folder, whatever proxies are set, until it stops", async () => {
    const berth = await startBerth({ data: join(folder, "data"), args: ["--workers", "2"] });
    const env = {
      BERTH_DATA: berth.data,
      HTTP_PROXY: "http://127.0.0.1:1",
      http_proxy: "http://127.0.0.1:1",
    };
    const healthy = await runBerth(["healthcheck"], { env });
    expect(healthy).toEqual({ exitCode: 0, stdout: `${berth.url} is ready\n`, stderr: "" });
    expect(await berth.process.stop()).toBe(0);
    const { exitCode, stderr } = await runBerth(["healthcheck", "--data", "data"], { cwd: folder });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: `berth: no Berth serves the data folder ${berth.data}: start one, or name its folder with --data\n`,
    });
  });

  test("healthcheck says that a server is gone that was killed", async () => {
    const data = join(folder, "killed");
    const berth = await startBerth({ data });
    await berth.process.stop("SIGKILL");
    const { exitCode, stderr } = await runBerth(["healthcheck", "--data", data]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`${berth.url} does not answer: nothing listens there any more`);
  });

  test.skipIf(!isAvailable("openssl"))(
    "healthcheck asks a server on all addresses whose certificate has another name",
    async () => {
      const { certificate, key } = await makeCertificate(folder, "registry", { names: "DNS:registry.test" });
      const data = join(folder, "tls");
      const files = ["--tls-certificate", certificate, "--tls-key", key];
      const args = [berthProgram, "serve", "--listen", "0.0.0.0:0", "--data", data, ...files];
      const berth = startProcess(process.execPath, args);
      await berth.waitForOutput(/docker pull/);
      const { exitCode, stdout } = await runBerth(["healthcheck", "--data", data, "--json"]);
      expect(exitCode).toBe(0);
      expect(JSON.parse(stdout).address).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
      await berth.stop();
    },
  );

  test("healthcheck names settings that are wrong, and what answers that is not well", async () => {
    const wrong = await runBerth(["healthcheck"], { env: { BERTH_LISTEN: "nowhere" } });
    expect(wrong.exitCode).toBe(2);
    expect(wrong.stderr).toContain('listen is "nowhere"');

    using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => new Response("stopping\n", { status: 503 }),
    });
    await writeFile(join(folder, "address"), `http://127.0.0.1:${server.port}\n`);
    const { exitCode, stderr } = await runBerth(["healthcheck", "--data", folder]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: `berth: http://127.0.0.1:${server.port} answers 503: stopping\n`,
    });
  });
});
