import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setUpLocalTls } from "../../src/server/tls/local-authority.ts";
import { parseTlsNames } from "../../src/server/tls/names.ts";
import { berth, startNetwork, type TestNetwork } from "../fixtures/machines.ts";
import type { BackgroundProcess } from "../fixtures/processes.ts";
import { isAvailable, programPath } from "../programs.ts";

setDefaultTimeout(60_000);

const domain = "registry.berth.test";

describe.skipIf(!isAvailable("ip", "pebble", "curl"))("berth serve with ACME", () => {
  let network: TestNetwork;
  const running: BackgroundProcess[] = [];

  beforeAll(async () => {
    network = await startNetwork();
    const tls = join(network.folder, "tls");
    await setUpLocalTls(tls, parseTlsNames(["localhost"]));
    await writeFile(join(network.server.seen("/etc"), "hosts"), `127.0.0.1\tlocalhost ${domain}\n`);
    const pebble = {
      listenAddress: "127.0.0.1:14000",
      managementListenAddress: "127.0.0.1:15000",
      certificate: join(tls, "server.pem"),
      privateKey: join(tls, "server.key"),
      httpPort: 80,
      tlsPort: 443,
    };
    await writeFile(join(network.folder, "pebble.json"), JSON.stringify({ pebble }));
    const started = network.server.start(
      [programPath("pebble"), "-config", join(network.folder, "pebble.json")],
      {
        env: { PEBBLE_VA_NOSLEEP: "1", PEBBLE_WFE_NONCEREJECT: "50" },
      },
    );
    running.push(started);
    await started.waitForOutput(/ACME directory available at/);
  });

  afterAll(async () => {
    await Promise.all(running.map((one) => one.stop()));
    await network?.stop();
  });

  function settings(domains: readonly string[]): string {
    const acme = {
      domains,
      email: "team@berth.test",
      directory: "https://localhost:14000/dir",
      "agree-to-terms": true,
      "ca-file": join(network.folder, "tls", "authority.pem"),
    };
    return JSON.stringify({ listen: "127.0.0.1:5000", data: join(network.folder, "data"), tls: { acme } });
  }

  test("serve gets a certificate from a private ACME server, and keeps it", async () => {
    const file = join(network.folder, "berth.yaml");
    await writeFile(file, settings([domain]));
    const serving = network.server.start([...berth, "serve", "--config", file]);
    running.push(serving);
    await serving.waitForOutput(/listens on https:/);
    const roots = await network.server.run([
      "curl",
      "--silent",
      "--insecure",
      "https://127.0.0.1:15000/roots/0",
    ]);
    await writeFile(join(network.folder, "root.pem"), roots);
    const ask = ["curl", "--silent", "--show-error", "--cacert", join(network.folder, "root.pem")];
    expect(await network.server.run([...ask, `https://${domain}:5000/v2/`])).toBe("{}");
    expect((await stat(join(network.folder, "data", "tls", "acme", "server.key"))).mode & 0o777).toBe(0o600);
    await serving.stop();
    const certificate = await readFile(join(network.folder, "data", "tls", "acme", "server.pem"), "utf8");
    const again = network.server.start([...berth, "serve", "--config", file]);
    running.push(again);
    await again.waitForOutput(/listens on https:/);
    expect(await readFile(join(network.folder, "data", "tls", "acme", "server.pem"), "utf8")).toBe(
      certificate,
    );
    await again.stop();
  });

  test("serve says which domain an ACME server refuses, and what it said", async () => {
    const file = join(network.folder, "refused.yaml");
    await writeFile(file, settings(["elsewhere.berth.test"]));
    const { exitCode, stderr } = await network.server.attempt([
      ...berth,
      ...["serve", "--config", file, "--data", join(network.folder, "refused")],
    ]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(
      /tls\.acme: https:\/\/localhost:14000\/dir gives no certificate for elsewhere\.berth\.test: /,
    );
  });
});
