import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readServerCertificate } from "../../src/server/tls/certificate-files.ts";
import { waitForFirst } from "../../src/server/tls/first-order.ts";
import { setUpLocalTls } from "../../src/server/tls/local-authority.ts";
import { parseTlsNames } from "../../src/server/tls/names.ts";
import { type AcmeSettings, acmeTls } from "../../src/server/tls/settings.ts";
import { type AcmeServer, startAcmeServer } from "../fixtures/acme-servers.ts";
import { berth, startNetwork, type TestNetwork } from "../fixtures/machines.ts";
import {
  type BackgroundProcess,
  freePort,
  makeTemporaryFolder,
  startProcess,
} from "../fixtures/processes.ts";
import { isAvailable } from "../programs.ts";

setDefaultTimeout(60_000);

const domain = "registry.berth.test";
const other = "other.berth.test";

describe.skipIf(!isAvailable("ip", "pebble", "curl"))("berth serve with ACME", () => {
  let network: TestNetwork;
  let acme: AcmeServer;
  const running: BackgroundProcess[] = [];
  const path = (...parts: readonly string[]) => join(network.folder, ...parts);

  const startAcme = async (port: number): Promise<AcmeServer> => {
    const started = await startAcmeServer({ port, folder: network.folder, start: network.server.start });
    running.push(started.process);
    return started;
  };

  beforeAll(async () => {
    network = await startNetwork();
    await setUpLocalTls(path("tls"), parseTlsNames(["localhost"]));
    const names = `127.0.0.1\tlocalhost ${domain} ${other}\n`;
    await writeFile(join(network.server.seen("/etc"), "hosts"), names);
    acme = await startAcme(14000);
  });

  afterAll(async () => {
    await Promise.all(running.map((one) => one.stop()));
    await network?.stop();
  });

  async function settingsFile(
    domains: readonly string[],
    { directory }: AcmeServer,
    data = "data",
  ): Promise<string> {
    const file = path(`${data}.yaml`);
    const tls = {
      acme: {
        ...{ domains, directory, email: "team@berth.test", "agree-to-terms": true },
        "ca-file": path("tls", "authority.pem"),
      },
    };
    await writeFile(file, JSON.stringify({ listen: "127.0.0.1:5000", data: path(data), tls }));
    return file;
  }

  async function start(...settings: Parameters<typeof settingsFile>): Promise<BackgroundProcess> {
    const started = network.server.start([...berth, "serve", "--config", await settingsFile(...settings)]);
    running.push(started);
    return started;
  }

  /** Starts it, asks it by HTTPS as one who trusts an ACME server's root alone, and stops it. Resolves to its certificate. */
  async function askOnce(domains: readonly string[], of: AcmeServer): Promise<string> {
    const serving = await start(domains, of);
    await serving.waitForOutput(/listens on https:/);
    await writeFile(path("root.pem"), await network.server.run(["curl", "--silent", "--insecure", of.root]));
    const ask = ["curl", "--silent", "--show-error", "--cacert", path("root.pem")];
    for (const name of domains)
      expect(await network.server.run([...ask, `https://${name}:5000/v2/`])).toBe("{}");
    await serving.stop();
    return readFile(path("data", "tls", "acme", "server.pem"), "utf8");
  }

  test("serve gets a certificate, keeps it, and orders another without its key, for other domains, or from another ACME server", async () => {
    const first = await askOnce([domain, other], acme);
    expect((await stat(path("data", "tls", "acme", "server.key"))).mode & 0o777).toBe(0o600);
    expect(await askOnce([domain, other], acme)).toBe(first);
    const fewer = await askOnce([domain], acme);
    expect(fewer).not.toBe(first);
    await rm(path("data", "tls", "acme", "server.key"));
    const rekeyed = await askOnce([domain], acme);
    expect(rekeyed).not.toBe(fewer);
    const production = await startAcme(14002);
    expect(await askOnce([domain], production)).not.toBe(rekeyed);
  });

  test("serve says which domain an ACME server refuses, tries again later, and serves nothing before", async () => {
    const refused = await start(["elsewhere.berth.test"], acme, "refused");
    await refused.waitForOutput(
      /berth: warning: tls\.acme: https:\/\/localhost:14000\/dir gives no certificate for elsewhere\.berth\.test: .*; nothing is served before there is a certificate: the next try is in 1 min\n/,
    );
    const { exitCode } = await network.server.attempt([
      "curl",
      "--silent",
      "--insecure",
      "https://127.0.0.1:5000/v2/",
    ]);
    expect(exitCode).toBe(7); // nobody listens
    expect(await refused.stop()).toBe(0);
  });

  test.each(["1", "2"])(
    "serve with --workers %s orders nothing when its port is taken or its folder another program's",
    async (workers) => {
      const file = await settingsFile([domain], acme, `untouched-${workers}`);
      const data = path(`untouched-${workers}`);
      const attempt = (...args: readonly string[]) =>
        network.server.attempt([...berth, "serve", "--config", file, "--workers", workers, ...args]);
      const holder = network.server.start([
        ...berth,
        "serve",
        "--listen",
        "127.0.0.1:5000",
        "--data",
        path("holder"),
      ]);
      running.push(holder);
      await holder.waitForOutput(/listens on/);
      expect(await attempt()).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining("the port is taken by"),
      });
      expect(existsSync(data)).toBe(false);
      await holder.stop();
      await Bun.write(join(data, "photos", "1.jpg"), "");
      expect(await attempt()).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining("is another program's"),
      });
      expect(existsSync(join(data, "tls"))).toBe(false);
    },
  );
});

test("serve ends when it is told to while it waits for an ACME server", async () => {
  const folder = await makeTemporaryFolder();
  const asked = Promise.withResolvers<void>();
  const silent = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { open: () => asked.resolve(), data() {} },
  });
  const acme = {
    ...{ domains: [domain], "agree-to-terms": true, listen: "127.0.0.1:0" },
    directory: `https://127.0.0.1:${silent.port}/dir`,
  };
  const file = join(folder, "berth.yaml");
  await writeFile(file, JSON.stringify({ listen: "127.0.0.1:0", data: join(folder, "data"), tls: { acme } }));
  const [command, ...args] = berth;
  const serving = startProcess(command, [...args, "serve", "--config", file]);
  await asked.promise;
  expect(await serving.stop()).toBe(0);
  silent.stop(true);
  await rm(folder, { recursive: true });
});

test.skipIf(!isAvailable("pebble"))(
  "waitForFirst gets the certificate when the ACME server is there again",
  async () => {
    const folder = await makeTemporaryFolder();
    const tls = join(folder, "tls");
    await setUpLocalTls(tls, parseTlsNames(["localhost"]));
    const port = freePort();
    const acme: AcmeSettings = {
      ...{ domains: [domain], directory: `https://localhost:${port}/dir`, "agree-to-terms": true },
      ...{ listen: "127.0.0.1:0", "ca-file": join(tls, "authority.pem") },
    };
    const files = acmeTls(join(folder, "acme"), acme);
    let starting: Promise<AcmeServer> | undefined;
    const warn = (): void => {
      starting ??= startAcmeServer({ port, folder, trusts: true });
    };
    await waitForFirst(files, acme, { warn, signal: new AbortController().signal }, 1);
    expect(readServerCertificate(files).leaf.subjectAltName).toBe(`DNS:${domain}`);
    await (await starting)?.process.stop();
    await rm(folder, { recursive: true });
  },
);
