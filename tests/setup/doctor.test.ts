import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { issueCertificate } from "../../src/server/tls/authority.ts";
import { setUpLocalTls } from "../../src/server/tls/local-authority.ts";
import { parseTlsNames } from "../../src/server/tls/names.ts";
import { passwordOf, startBerthWithAccounts } from "../fixtures/accounts.ts";
import { mayBeNobody, runBerth, startBerthAsNobody } from "../fixtures/command-lines.ts";
import { mayMount } from "../fixtures/disks.ts";
import { smallLayers } from "../fixtures/images.ts";
import { writeLayout } from "../fixtures/layouts.ts";
import { makeTemporaryFolder, succeed } from "../fixtures/processes.ts";
import { pushImage } from "../fixtures/pushes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { serveReplies } from "../fixtures/reply-servers.ts";

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
  return examineAs(folder, registry, ...args);
}

/** What is examined with the logins of a user. */
async function examineAs(home: string, registry: string, ...args: string[]) {
  const root = join(folder, "root");
  await mkdir(join(root, "etc", "docker"), { recursive: true });
  const { exitCode, stdout, stderr } = await runBerth(
    ["doctor", registry, "--root", root, "--json", ...args],
    { env: { HOME: home }, cwd: folder },
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

/** Pushes an image of a folder of its own to team/app. */
async function putImageAs(home: string, host: string) {
  const layout = join(folder, "image");
  await writeLayout({ folder: layout, seed: "app", layers: smallLayers, platforms: ["linux/amd64"] });
  return runBerth(["copy", `oci:${layout}`, `${host}/team/app:1`], { env: { HOME: home } });
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

  test("doctor says that engines of the user's own have settings that it does not look at", async () => {
    const home = join(folder, "rootless");
    const { of: none } = await examineAs(home, "127.0.0.1:1");
    expect(none("own engines")).toMatchObject({ state: "fine" });
    const file = join(home, ".config", "docker", "daemon.json");
    await Bun.write(join(folder, "root", file), "{}");
    const { of } = await examineAs(home, "127.0.0.1:1");
    expect(of("own engines")).toMatchObject({ state: "note", says: expect.stringContaining(` ${file},`) });
  });

  test("doctor says that nothing listens, and how something does", async () => {
    const { of } = await examine("127.0.0.1:1");
    expect(of("route")).toMatchObject({ state: "fine" });
    expect(of("port")).toMatchObject({
      state: "wrong",
      mend: "berth serve --listen 127.0.0.1:1",
      hint: "where its berth-data is, or with --data",
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
    const readOnly = await startBerthWithAccounts({ args: ["--open=pull"] });
    opened.push(readOnly);
    const { of: early } = await examine(readOnly.host);
    expect(early("login")).toMatchObject({ state: "fine", says: "nobody is asked for one to pull" });
    expect(early("pull")).toMatchObject({ says: "there is nothing yet that could be pulled" });
    await pushImage(readOnly.url, "team/app", "1", [100], readOnly.admin);
    const { of: reader } = await examine(readOnly.host);
    expect(reader("login")).toMatchObject({ state: "fine", says: "nobody is asked for one to pull" });
    expect(reader("pull")).toMatchObject({ state: "fine", says: "team/app:1 may be pulled" });
    expect(reader("push")).toMatchObject({ state: "note" });
    const { of: writer, exitCode } = await examine(readOnly.host, "--repository", "team/app");
    expect(writer("push")).toMatchObject({
      state: "wrong",
      mend: expect.stringContaining("writer team/app"),
    });
    expect(exitCode).toBe(1);
  });

  test("doctor says which clock is wrong by how much, and what answers when it is no registry", async () => {
    const date = new Date(Date.now() - 3_600_000).toUTCString();
    const late = await serveReplies(() => ({ headers: { date }, body: "{}" }));
    const web = await serveReplies(() => ({ headers: { "content-type": "text/html" }, body: "<p>" }));
    const none = await serveReplies(() => ({ status: 404 }));
    const mute = await serveReplies(() => ({ cutAt: -1 }));
    opened.push(late, web, none, mute);
    const { of, exitCode } = await examine(late.host);
    expect(of("clock")).toEqual({
      check: "clock",
      state: "wrong",
      says: expect.stringMatching(/^this machine's clock is 36\d\d s ahead of the server's$/),
      mend: "timedatectl set-ntp true",
      hint: "on the machine whose clock is wrong",
    });
    expect(exitCode).toBe(1);
    expect((await examine(web.host)).of("api")).toMatchObject({
      state: "wrong",
      says: expect.stringContaining("200"),
    });
    expect((await examine(none.host)).of("api")).toMatchObject({
      state: "wrong",
      says: expect.stringContaining("404"),
    });
    expect((await examine(mute.host)).of("tls")).toMatchObject({
      state: "wrong",
      says: expect.stringContaining("neither"),
    });
  });

  test("doctor says which login is not taken and what it may not do, and its commands mend that", async () => {
    const berth = await startBerthWithAccounts();
    opened.push(berth);
    await berth.addPerson("alice");
    const [admin, alice] = [join(folder, "admin"), join(folder, "alice")];
    const logIn = (home: string, name: string, password: string) =>
      runBerth(["login", berth.host, "--username", name, "--password-stdin"], {
        env: { HOME: home },
        stdin: password,
      });
    const stale = { auths: { [berth.host]: { auth: btoa("alice:wrong") } } };
    await Bun.write(join(alice, ".docker", "config.json"), JSON.stringify(stale));
    const { of: before } = await examineAs(alice, berth.host);
    expect(before("login")).toMatchObject({ state: "wrong", mend: `berth login ${berth.host}` });
    for (const [home, name, password] of [
      [admin, "admin", berth.adminPassword],
      [alice, "alice", passwordOf("alice")],
    ] as const)
      expect(await logIn(home, name, password)).toMatchObject({ exitCode: 0 });
    const repository = ["--repository", "team/app"];
    const image = await putImageAs(admin, berth.host);
    expect(image).toMatchObject({ exitCode: 0 });
    for (const [check, state] of [
      ["pull", "note"],
      ["push", "wrong"],
    ] as const) {
      const { of } = await examineAs(alice, berth.host, ...repository);
      expect(of("login")).toMatchObject({ state: "fine" });
      const found = of(check);
      expect(found).toMatchObject({ state, hint: "by an administrator" });
      const [program, ...args] = found?.mend?.split(" ") ?? [];
      expect(program).toBe("berth");
      expect(await runBerth(args, { env: { HOME: admin } })).toMatchObject({ exitCode: 0, stderr: "" });
      expect((await examineAs(alice, berth.host, ...repository)).of(check)).toMatchObject({ state: "fine" });
    }
    const { of } = await examineAs(admin, berth.host, ...repository);
    expect(of("disk")?.says).toMatch(/ of .* are free$/);
  });

  test.skipIf(!mayMount)(
    "doctor says that a disk has little room, the server's and that of an engine here",
    async () => {
      const disks = ["data", "root/var/lib/docker"].map((name) => join(folder, "small", name));
      const root = join(folder, "small", "root");
      await mkdir(join(root, "etc", "docker"), { recursive: true });
      for (const disk of disks) {
        await mkdir(disk, { recursive: true });
        await succeed("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", disk]);
      }
      const berth = await startBerth({ data: disks[0] ?? "" });
      try {
        const { of, exitCode } = await examine(berth.host, "--root", root);
        expect(of("disk")).toMatchObject({ state: "wrong", mend: `berth gc run ${berth.host}` });
        expect(await runBerth(of("disk")?.mend?.split(" ").slice(1) ?? [])).toMatchObject({ exitCode: 0 });
        expect(of("docker")).toMatchObject({
          state: "wrong",
          says: expect.stringMatching(/are free in \/var\/lib\/docker, where it keeps images$/),
          mend: "docker system prune",
        });
        expect(exitCode).toBe(1);
      } finally {
        await berth.stop();
        for (const disk of disks) await succeed("umount", [disk]);
      }
    },
  );

  test.skipIf(!mayBeNobody)(
    "doctor tells a user who is not root what it sees, and what it may not",
    async () => {
      const berth = await serve();
      const root = join(folder, "hidden");
      await Bun.write(join(root, "etc", "docker", "daemon.json"), "{}");
      await mkdir(join(root, "etc", "containers", "certs.d"), { recursive: true });
      await chmod(folder, 0o755);
      await chmod(join(root, "etc", "docker", "daemon.json"), 0o600);
      const { exitCode, stdout, stderr } = await startBerthAsNobody("doctor", berth.host, "--root", root);
      expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: "" });
      expect(stdout).toMatch(
        /^- +docker +\/etc\/docker\/daemon\.json may not be read by this user: run it as root, with sudo$/m,
      );
      expect(stdout).toContain(`mend it: sudo berth doctor ${berth.host}\n`);
      expect(stdout).toMatch(/^WRONG +podman +podman wants HTTPS of it$/m);
      expect(stdout).toContain(`mend it: sudo berth setup client ${berth.host} --insecure\n`);
      expect(stdout).toMatch(/^ok +push /m);
    },
  );

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
      const { state, mend = "" } = of("authority") ?? {};
      expect(state).toBe("wrong");
      expect(mend).toMatch(/^berth setup client \S+ --fingerprint [0-9a-f]{64}$/);
      expect(of("docker")).toMatchObject({ state: "wrong", mend });
      const root = ["--root", join(folder, "root")];
      const mended = await runBerth([...mend.split(" ").slice(1), ...root]);
      expect(mended).toMatchObject({ exitCode: 0, stderr: "" });
      await mkdir(join(folder, "root", "etc", "containers"));
      const { of: half } = await examine(berth.host);
      const file = `/etc/docker/certs.d/${berth.host}/ca.crt`;
      expect(half("docker")).toMatchObject({ state: "fine" });
      expect(half("podman")).toMatchObject({ state: "fine", says: `it trusts ${file}` });
      const { of: after } = await examine(berth.host);
      for (const check of ["authority", "api", "push", "docker"])
        expect(after(check)).toMatchObject({ state: "fine" });
      await mkdir(join(folder, "root", "etc", "buildkit"));
      const { of: third } = await examine(berth.host);
      const known = `berth setup client ${berth.host} --ca-file ${file}`;
      expect(third("buildkit")).toMatchObject({ state: "wrong", mend: known });
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
