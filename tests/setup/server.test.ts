import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { blankAddress } from "../../src/cli/output/server-commands.ts";
import { setUpLocalTls } from "../../src/server/tls/local-authority.ts";
import { parseTlsNames } from "../../src/server/tls/names.ts";
import { makeCertificate } from "../fixtures/certificates.ts";
import { mayBeNobody, runBerth, startBerthAsNobody } from "../fixtures/command-lines.ts";
import { berth, startNetwork, type TestNetwork } from "../fixtures/machines.ts";
import { attempt, makeTemporaryFolder, succeed } from "../fixtures/processes.ts";
import { startBerth } from "../fixtures/registries.ts";
import { isAvailable, programPath } from "../programs.ts";

setDefaultTimeout(30_000);

let scratch: string;
let folder: string;

beforeAll(async () => {
  scratch = await makeTemporaryFolder();
  await chmod(scratch, 0o755);
});
beforeEach(async () => {
  folder = join(scratch, crypto.randomUUID());
  await mkdir(folder);
});
afterAll(() => rm(scratch, { recursive: true }));

/** Every file and folder below a folder, with what it says. */
async function contentOf(path: string): Promise<unknown> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const found = entries.map(async (entry) => {
    const name = join(entry.parentPath, entry.name);
    return [name, entry.isFile() ? Bun.hash(await readFile(name)).toString() : "folder"] as const;
  });
  return Object.fromEntries(await Promise.all(found));
}

/** Runs `berth setup server`, which has to refuse and to change nothing. Resolves to its message. */
async function refused(exitCode: number, ...args: readonly string[]): Promise<string> {
  const before = await contentOf(folder);
  const result = await runBerth(["setup", "server", ...args], { cwd: folder });
  expect(result).toMatchObject({ exitCode, stdout: "" });
  expect(await contentOf(folder)).toEqual(before);
  return result.stderr;
}

describe("setup server", () => {
  test.skipIf(!isAvailable("openssl"))("leaves somebody's own certificate and key as they are", async () => {
    const tls = join(folder, "berth-data", "tls");
    await mkdir(tls, { recursive: true });
    const own = await makeCertificate(folder, "own", { names: "DNS:registry.local" });
    await copyFile(own.certificate, join(tls, "server.pem"));
    await copyFile(own.key, join(tls, "server.key"));
    for (const how of [[], ["--new-authority"]]) {
      expect(await refused(1, "registry.local", ...how)).toContain(
        `berth setup server did not make ${join(tls, "server.pem")} and ${join(tls, "server.key")}: nothing was changed`,
      );
    }
    await rm(tls, { recursive: true });
    await setUpLocalTls(tls, parseTlsNames(["registry.local"]));
    await copyFile(own.certificate, join(tls, "server.pem"));
    expect(await refused(1, "registry.lan")).toContain(
      `berth setup server did not make ${join(tls, "server.pem")}: nothing was changed`,
    );
    const data = ["--data", join(folder, "berth-data"), "--listen", "127.0.0.1:0"];
    const served = await runBerth(["serve", ...data]);
    expect(served.exitCode).toBe(1);
    expect(served.stderr).toContain("berth setup server did not make");
    expect(await readFile(join(tls, "server.pem"), "utf8")).toBe(await readFile(own.certificate, "utf8"));
  });

  test("makes nothing in another program's folder, or one of a newer version", async () => {
    await Bun.write(join(folder, "photos", "1.jpg"), "");
    expect(await refused(1, "registry.local", "--data", ".")).toContain(
      `the data folder ${folder} is another program's: it has "photos" and nothing of Berth's`,
    );
    const data = join(folder, "newer");
    await (await startBerth({ data })).stop();
    const header = Buffer.from(await readFile(join(data, "metadata.db")));
    header.writeUInt32BE(1000, 60); // https://www.sqlite.org/fileformat2.html#user_version_number
    await writeFile(join(data, "metadata.db"), header);
    expect(await refused(1, "registry.local", "--data", data)).toContain("has schema version 1000");
  });

  test.skipIf(!mayBeNobody)("says whose a folder is that it may not write", async () => {
    const data = join(folder, "data");
    const setup = ["setup", "server", "registry.local", "--data", data];
    const none = await startBerthAsNobody(...setup);
    expect(none).toMatchObject({ exitCode: 1, stdout: "" });
    expect(none.stderr).toContain(`${data}: not allowed: check whose it is and who may use it`);
    await mkdir(data);
    const others = await startBerthAsNobody(...setup);
    expect(others.stderr).toContain(
      `cannot write to ${data}, where the data is: it belongs to user 0, and Berth runs as user 65534`,
    );
    expect(await readdir(data)).toEqual([]);
    const out = await startBerthAsNobody("setup", "server", "registry.local", "--out", data);
    expect(out.stderr).toContain("not allowed: check whose it is and who may use it");
    expect(await readdir(data)).toEqual([]);
  });

  test("refuses a port that there is not, and changes nothing", async () => {
    for (const port of ["0", "65536", "http"])
      expect(await refused(2, "registry.local", "--port", port)).toContain(
        `--port is ${port}: expected a port from 1 to 65535`,
      );
  });

  test("says which names the certificate has no longer, and how they come back", async () => {
    const setup = (...args: readonly string[]) => runBerth(["setup", "server", ...args], { cwd: folder });
    await setup("registry.local", "10.9.8.7");
    expect((await setup("registry.lan")).stdout).toContain(
      "  no longer    registry.local, 10.9.8.7: berth setup server --add puts them back\n",
    );
    const added = await setup("--add", "registry.local");
    expect(added.stdout).toMatch(/ {2}names {8}registry\.lan, registry\.local, localhost, /);
    expect(added.stdout).not.toContain("no longer");
  });
});

describe.skipIf(!isAvailable("ip", "curl"))("the commands that setup server prints", () => {
  let network: TestNetwork;

  beforeAll(async () => {
    network = await startNetwork();
    const { server } = network;
    const ip = programPath("ip");
    // As an engine's; its name stands before that of the network.
    await server.run([ip, "link", "add", "docker0", "type", "bridge"]);
    await server.run([ip, "address", "add", "172.17.0.1/16", "dev", "docker0"]);
    await server.run([ip, "link", "set", "docker0", "up"]);
  });
  afterAll(() => network?.stop());

  test.each([
    [["registry.local"], [], "registry.local:5000"],
    [["registry.lan"], ["--data", "other data", "--port", "8443"], "registry.lan:8443"],
    [["10.77.0.1"], ["--out", "elsewhere", "--data", "third", "--port", "443"], "10.77.0.1"],
  ])("lead a client to a server that is set up for %j with %j", async (names, flags, registry) => {
    const { server, client } = network;
    const bin = join(network.folder, "berth");
    await writeFile(bin, `#!/bin/sh\nexec '${berth.join("' '")}' "$@"\n`, { mode: 0o755 });
    const env = { PATH: `${network.folder}:${process.env.PATH}` };
    const told = await server.run(["berth", "setup", "server", ...names, ...flags], { env });
    const [serve = "", connect = ""] = told.split("\n").filter((line) => line.startsWith("  berth "));
    const serving = server.start(["bash", "-c", `exec ${serve}`], { env });
    try {
      await serving.waitForOutput(/Try it:/);
      expect(serving.output()).toContain(`  trust   ${connect.trim()}\n`);
      expect(connect).toContain(`berth setup client ${registry} `);
      // What runs in a container does not know how it is reached.
      const known = connect.replace(blankAddress, server.address);
      expect(await client.run(["bash", "-c", known], { env })).toContain(
        `A request to https://${registry}/v2/ was answered with 401: it works, and wants a login`,
      );
      expect(await client.run(["curl", "--silent", `https://${registry}/healthz`])).toBe("ok");
      await client.run(["berth", "setup", "client", registry, "--undo"], { env });
    } finally {
      await serving.stop();
    }
  });
});

describe.skipIf(!isAvailable("openssl"))("makeAuthority", () => {
  const openssl = (...args: readonly string[]) => succeed(programPath("openssl"), args, { cwd: folder });

  test("makeAuthority makes one that vouches for servers alone, and for no further authority", async () => {
    await setUpLocalTls(folder, parseTlsNames(["registry.local"]));
    const printed = await openssl("x509", "-in", "authority.pem", "-noout", "-text");
    const text = printed.replace(/\s+/g, " ");
    expect(text).toContain("X509v3 Basic Constraints: critical CA:TRUE, pathlen:0");
    expect(text).toContain("X509v3 Key Usage: critical Certificate Sign X509v3");
    expect(text).toContain("X509v3 Extended Key Usage: TLS Web Server Authentication X509v3");
    expect(text).toContain("X509v3 Name Constraints: critical Permitted: DNS:local ");
    const check = ["verify", "-CAfile", "authority.pem", "-purpose"];
    expect(await openssl(...check, "sslserver", "server.pem")).toBe("server.pem: OK");
    await expect(openssl(...check, "sslclient", "server.pem")).rejects.toThrow(
      "unsuitable certificate purpose",
    );

    const extensions = {
      sub: "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign\n",
      leaf: "subjectAltName=DNS:registry.local\n",
    };
    const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    for (const [name, by] of [
      ["sub", "authority"],
      ["leaf", "sub"],
    ] as const) {
      await writeFile(join(folder, `${name}.ext`), extensions[name]);
      const request = ["-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.csr`];
      await openssl("req", "-new", ...kind, ...request);
      const signed = ["-CA", `${by}.pem`, "-CAkey", `${by}.key`, "-extfile", `${name}.ext`];
      await openssl("x509", "-req", "-in", `${name}.csr`, ...signed, "-out", `${name}.pem`);
    }
    const chain = ["-CAfile", "authority.pem", "-untrusted", "sub.pem", "leaf.pem"];
    const { stderr } = await attempt(programPath("openssl"), ["verify", ...chain], { cwd: folder });
    expect(stderr).toContain("path length constraint exceeded");
  });
});
