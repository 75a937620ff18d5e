import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { issueCertificate, makeAuthority, makeServerKey } from "./authority.ts";
import { readServerCertificate } from "./certificate-files.ts";
import { factsOf, fingerprintOf } from "./certificates.ts";
import { renewLocalTls, setUpLocalTls } from "./local-authority.ts";
import { namesOfThisMachine, parseTlsNames, unionOf } from "./names.ts";
import { localTls } from "./settings.ts";

const dayMs = 86_400_000;
let folder: string;
const read = (name: string) => readFile(join(folder, name), "utf8");
const setUp = (...names: string[]) => setUpLocalTls(folder, parseTlsNames(names));
/** Every file with its content. */
const contentOf = async (path: string) =>
  Object.fromEntries(
    await Promise.all(
      (await readdir(path, { withFileTypes: true }))
        .filter((entry) => entry.isFile())
        .map(async ({ name }) => [name, await readFile(join(path, name), "utf8")] as const),
    ),
  );
const inDays = (days: number) => new Date(Date.now() + days * dayMs);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "berth-tls-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("setUpLocalTls", () => {
  test("setUpLocalTls makes what a server needs, with keys for their owner alone, and once", async () => {
    const made = await setUp("registry.local", "10.1.2.3");
    expect(made).toMatchObject({ authority: "made", certificate: "made" });
    expect(made.names.dns).toEqual(["registry.local", "localhost"]);
    expect(made.names.addresses).toEqual(expect.arrayContaining(["10.1.2.3", "127.0.0.1", "::1"]));
    expect(made.fingerprint).toBe(fingerprintOf(await read("authority.pem")));
    const modes = await Promise.all(
      ["authority.key", "server.key"].map(async (name) => (await stat(join(folder, name))).mode & 0o777),
    );
    expect(modes).toEqual([0o600, 0o600]);
    expect(readServerCertificate(localTls(folder)).cert).toBe(await read("server.pem"));
    const before = await read("server.pem");
    const again = await setUp("10.1.2.3", "registry.local");
    expect(again).toMatchObject({
      authority: "kept",
      certificate: "kept",
      dropped: { dns: [], addresses: [] },
    });
    expect(await read("server.pem")).toBe(before);
  });

  test("setUpLocalTls refuses an authority whose key is another's, and changes nothing", async () => {
    await setUp("registry.local");
    const certificate = await read("server.pem");
    await writeFile(join(folder, "authority.key"), await read("server.key"));
    await expect(setUp("registry.lan")).rejects.toThrow("do not belong together");
    expect(await read("server.pem")).toBe(certificate);
  });

  test("setUpLocalTls refuses a server's key that is another's, and changes nothing", async () => {
    await setUp("registry.local");
    await writeFile(join(folder, "server.key"), await makeServerKey());
    const files = await contentOf(folder);
    await expect(setUp("registry.lan")).rejects.toThrow(
      "server.pem and server.key beside it do not belong together",
    );
    expect(await contentOf(folder)).toEqual(files);
  });

  test("setUpLocalTls does not follow a link that is in the place of what it writes", async () => {
    const other = join(folder, "other");
    await writeFile(other, "kept");
    for (const name of ["authority.key", "server.pem"]) await symlink(other, join(folder, `${name}.new`));
    await setUp("registry.local");
    expect(await read("other")).toBe("kept");
    expect(await read("authority.key")).toStartWith("-----BEGIN");
  });

  test("setUpLocalTls makes a certificate for what is asked for now, and keeps the authority and the server's key", async () => {
    const { fingerprint } = await setUp("registry.local", "10.1.2.3");
    const key = await read("server.key");
    const changed = await setUp("registry.lan");
    expect(changed).toMatchObject({ authority: "kept", certificate: "renewed", fingerprint });
    expect(changed.dropped).toEqual({ dns: ["registry.local"], addresses: ["10.1.2.3"] });
    const { names } = factsOf(await read("server.pem"));
    expect(names.dns).toEqual(["registry.lan", "localhost"]);
    expect(names.addresses).toEqual(namesOfThisMachine().addresses);
    expect(await read("server.key")).toBe(key);
  });

  test("setUpLocalTls keeps what was asked for before when nothing is, or when names are added", async () => {
    await setUp("registry.local", "10.1.2.3");
    expect(await setUp()).toMatchObject({ certificate: "kept", asked: { dns: ["registry.local"] } });
    const added = await setUpLocalTls(folder, parseTlsNames(["registry.lan"]), { adds: true });
    expect(added.asked).toEqual({ dns: ["registry.local", "registry.lan"], addresses: ["10.1.2.3"] });
    expect(factsOf(await read("server.pem")).names.dns).toEqual([
      "registry.local",
      "registry.lan",
      "localhost",
    ]);
  });

  test("setUpLocalTls takes a folder over in which it was not yet remembered what was asked for", async () => {
    await setUp("registry.local", "10.1.2.3");
    await rm(join(folder, "names.txt"));
    expect((await setUp()).asked.addresses).toContain("10.1.2.3");
  });

  test.each([
    ["server.pem", "no certificate"],
    ["server.key", "a key"],
    ["authority.key", "a key"],
    ["authority.pem", "no certificate"],
  ])("setUpLocalTls leaves %s alone that is %s, and changes nothing", async (name, what) => {
    await writeFile(join(folder, name), what);
    const files = await contentOf(folder);
    for (const isNew of [false, true]) {
      const refused = setUpLocalTls(folder, parseTlsNames(["registry.lan"]), { isNew });
      await expect(refused).rejects.toMatchObject({
        code: "CONFLICT",
        message: expect.stringContaining(
          `berth setup server did not make ${join(folder, name)}: nothing was changed`,
        ),
      });
    }
    await expect(renewLocalTls(folder)).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await contentOf(folder)).toEqual(files);
  });

  test("setUpLocalTls refuses a public name that the authority was not made for, and changes nothing", async () => {
    await setUp("registry.example.com");
    await setUp("other.registry.example.com");
    const before = await read("server.pem");
    await expect(setUp("registry.example.org")).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("may not vouch for registry.example.org"),
    });
    expect(await read("server.pem")).toBe(before);
    const made = await setUpLocalTls(folder, parseTlsNames(["registry.example.org"]), { isNew: true });
    expect(made).toMatchObject({ authority: "made", certificate: "renewed" });
    expect(made.names.dns).toEqual(["registry.example.org", "localhost"]);
  });

  test("setUpLocalTls says so when the authority's key is gone", async () => {
    await setUp("registry.local");
    await rm(join(folder, "authority.key"));
    await expect(setUp("registry.local")).rejects.toMatchObject({ code: "CONFLICT" });
  });
});

describe("renewLocalTls", () => {
  test("renewLocalTls renews when a third of the time is left, and not before", async () => {
    const { ends } = await setUp("registry.local");
    const before = await read("server.pem");
    expect(await renewLocalTls(folder, inDays(59))).toBeUndefined();
    expect(await read("server.pem")).toBe(before);
    const renewed = await renewLocalTls(folder, inDays(61));
    expect((renewed?.getTime() ?? 0) - ends.getTime()).toBeGreaterThan(60 * dayMs);
    expect(factsOf(await read("server.pem")).names.dns).toEqual(["registry.local", "localhost"]);
  });

  test("renewLocalTls leaves a certificate that lasts as long as its authority", async () => {
    await setUp("registry.local");
    const late = inDays(3650 - 20);
    expect(await renewLocalTls(folder, late)).toEqual(factsOf(await read("authority.pem")).ends);
    expect(await renewLocalTls(folder, late)).toBeUndefined();
  });

  test("renewLocalTls names the file in which somebody wrote what is no name", async () => {
    await setUp("registry.local");
    await writeFile(join(folder, "names.txt"), "registry local\n");
    await expect(renewLocalTls(folder)).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining(
        `${join(folder, "names.txt")} cannot be used: invalid name "registry local"`,
      ),
    });
  });

  test("renewLocalTls says what makes an authority where there is none", async () => {
    await expect(renewLocalTls(folder)).rejects.toThrow(`berth setup server NAME --out ${folder}`);
  });

  test("renewLocalTls leaves out an address that this machine lost", async () => {
    const { asked, names } = await setUp("registry.local");
    const authority = { certificate: await read("authority.pem"), key: await read("authority.key") };
    const former = unionOf(names, parseTlsNames(["10.9.8.7"]));
    const certificate = await issueCertificate(authority, await read("server.key"), former, new Date());
    await writeFile(join(folder, "server.pem"), certificate);
    expect(await renewLocalTls(folder)).toBeDate();
    expect(factsOf(await read("server.pem")).names).toEqual(unionOf(asked, namesOfThisMachine()));
  });
});

describe("makeAuthority", () => {
  async function isTrusted(name: string): Promise<boolean> {
    const authority = await makeAuthority(parseTlsNames(["registry.example.com"]), new Date());
    const key = await makeServerKey();
    const cert = await issueCertificate(authority, key, parseTlsNames([name]), new Date());
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      tls: { cert, key },
      fetch: () => new Response(),
    });
    try {
      return await new Promise<boolean>((resolve, reject) => {
        const ca = [authority.certificate];
        const port = server.port ?? 0;
        const socket = connect({ host: "127.0.0.1", port, servername: name, ca, rejectUnauthorized: false });
        socket.once("error", reject);
        socket.once("secureConnect", () => {
          resolve(socket.authorized);
          socket.destroy();
        });
      });
    } finally {
      await server.stop(true);
    }
  }

  test.each([
    ["registry.example.com", true],
    ["a.registry.example.com", true],
    ["registry.lan", true],
    ["www.example.com", false],
    ["example.org", false],
  ])("makeAuthority makes one that is trusted to vouch for %s: %p", async (name, expected) => {
    expect(await isTrusted(name)).toBe(expected);
  });
});

describe("parseTlsNames", () => {
  test.each([
    ["registry.local:5000", /without port, such as "registry\.local"/],
    ["https://registry.local", /expected a host name or an address/],
    ["-a.local", /expected a host name/],
    ["*.local", /expected a host name/],
    ["10.0.0.300", /expected a host name or an address/],
    ["300", /expected a host name or an address/],
    ["fe80::1%eth0", /expected a host name or an address/],
    ["[::1]:5000", /without port, such as "\[::1\]"/],
  ])("parseTlsNames refuses %s", (name, message) => {
    expect(() => parseTlsNames([name])).toThrow(message);
  });

  test("parseTlsNames sorts names in their one spelling, each once", () => {
    expect(parseTlsNames(["Registry.Local", "registry.local", "[FD00:0::1]", "10.0.0.1"])).toEqual({
      dns: ["registry.local"],
      addresses: ["fd00::1", "10.0.0.1"],
    });
  });
});
