import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { issueCertificate } from "../../src/server/tls/authority.ts";
import { setUpLocalTls } from "../../src/server/tls/local-authority.ts";
import { parseTlsNames } from "../../src/server/tls/names.ts";
import { runBerth } from "../fixtures/command-lines.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";

setDefaultTimeout(30_000);

interface Finding {
  readonly check: string;
  readonly state: string;
  readonly says: string;
  readonly mend?: string;
  readonly hint?: string;
}

let folder: string;
const opened: { stop(): unknown }[] = [];

beforeAll(async () => {
  folder = await makeTemporaryFolder();
});
afterAll(async () => {
  for (const one of opened) await one.stop();
  await rm(folder, { recursive: true });
});

async function examine(registry: string, ...args: string[]) {
  const root = join(folder, "root");
  await mkdir(join(root, "etc", "docker"), { recursive: true });
  const { exitCode, stdout, stderr } = await runBerth(
    ["doctor", registry, "--root", root, "--json", ...args],
    {
      env: { HOME: folder },
      cwd: folder,
    },
  );
  if (stderr !== "") throw new Error(stderr);
  const { findings } = JSON.parse(stdout) as { findings: Finding[] }; // as the command prints it
  return { exitCode, of: (check: string) => findings.find((one) => one.check === check) };
}

async function serve(...args: string[]): Promise<RunningRegistry> {
  const berth = await startBerth({ args });
  opened.push(berth);
  return berth;
}

const now = new Date();
const yesterday = new Date(now.getTime() - 86_400_000);

describe("berth doctor", () => {
  test("doctor says that a name is not known, and how it can be", async () => {
    const { exitCode, of } = await examine("registry.berth.test:5000");
    expect(exitCode).toBe(1);
    expect(of("name")).toMatchObject({
      state: "wrong",
      mend: "berth setup client registry.berth.test:5000 --address IP",
    });
    expect(of("push")).toMatchObject({ state: "untried" });
  });

  test("doctor says that nothing listens, and how something does", async () => {
    const { of } = await examine("127.0.0.1:1");
    expect(of("route")).toMatchObject({ state: "fine" });
    expect(of("port")).toMatchObject({
      state: "wrong",
      mend: "berth serve --listen 0.0.0.0:1",
      hint: "on the server",
    });
  });

  test("doctor finds nothing wrong with an open registry of this machine, and leaves nothing there", async () => {
    const berth = await serve();
    const { exitCode, of } = await examine(berth.host);
    expect(of("tls")).toMatchObject({ state: "note", mend: "berth setup server 127.0.0.1" });
    for (const check of ["clock", "api", "login", "pull", "push", "docker"])
      expect(of(check)).toMatchObject({ check, state: "fine" });
    expect(of("disk")?.says).toMatch(/ of .* are free$/);
    expect(exitCode).toBe(of("disk")?.state === "wrong" ? 1 : 0);
    expect(await (await fetch(`${berth.url}/v2/_catalog`)).json()).toEqual({ repositories: [] });
    expect(await Array.fromAsync(new Bun.Glob("uploads/*").scan({ cwd: berth.data }))).toEqual([]);
  });

  test("doctor says that a login is wanted, and where it is wrong to push", async () => {
    const berth = await serve("--open=none");
    const { of } = await examine(berth.host);
    expect(of("login")).toMatchObject({ state: "wrong", mend: `berth login ${berth.host}` });
    const readOnly = await serve("--open=pull");
    const { of: reader } = await examine(readOnly.host);
    expect(reader("push")).toMatchObject({ state: "note" });
    const { of: writer, exitCode } = await examine(readOnly.host, "--repository", "team/app");
    expect(writer("push")).toMatchObject({
      state: "wrong",
      mend: expect.stringContaining("writer team/app"),
    });
    expect(exitCode).toBe(1);
  });

  describe("with a local authority", () => {
    let tls: string;
    let berth: RunningRegistry;
    beforeAll(async () => {
      tls = join(folder, "tls");
      await setUpLocalTls(tls, parseTlsNames(["registry.lan"]));
      berth = await serve("--tls-folder", tls);
    });

    test("doctor names the fingerprint of an authority that is not trusted, and is content when docker trusts it", async () => {
      const { of } = await examine(berth.host);
      const wanted = expect.stringMatching(/^berth setup client \S+ --fingerprint [0-9a-f]{64}$/);
      expect(of("authority")).toMatchObject({ state: "wrong", mend: wanted });
      expect(of("docker")).toMatchObject({ state: "wrong", mend: `berth setup client ${berth.host}` });
      const place = join(folder, "root", "etc", "docker", "certs.d", berth.host);
      await mkdir(place, { recursive: true });
      await writeFile(join(place, "ca.crt"), await Bun.file(join(tls, "authority.pem")).text());
      const { of: after } = await examine(berth.host);
      for (const check of ["authority", "api", "push", "docker"])
        expect(after(check)).toMatchObject({ state: "fine" });
    });

    test.each([
      ["expired", ["127.0.0.1"], new Date(now.getTime() - 100 * 86_400_000), /^it expired on /],
      ["for another name", ["registry.lan"], yesterday, /is for registry\.lan, not for 127\.0\.0\.1/],
      ["not yet valid", ["127.0.0.1"], new Date(now.getTime() + 86_400_000), /^it is not valid before /],
    ])("doctor says that a certificate is %s", async (_, names, made, says) => {
      const read = (name: string) => Bun.file(join(tls, name)).text();
      const authority = { certificate: await read("authority.pem"), key: await read("authority.key") };
      const key = await read("server.key");
      const cert = await issueCertificate(authority, key, parseTlsNames(names), made);
      const server = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        tls: { cert, key },
        fetch: () => Response.json({}),
      });
      opened.push(server);
      const { of, exitCode } = await examine(`127.0.0.1:${server.port}`);
      expect(exitCode).toBe(1);
      expect(of("certificate")).toMatchObject({ state: "wrong", says: expect.stringMatching(says) });
    });
  });
});
