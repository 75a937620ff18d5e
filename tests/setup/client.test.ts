import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { chmod, mkdir, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { recordPath } from "../../src/cli/setup/record.ts";
import { parseRegistryName } from "../../src/oci/references.ts";
import { issueCertificate, makeServerKey } from "../../src/server/tls/authority.ts";
import { setUpLocalTls } from "../../src/server/tls/local-authority.ts";
import { parseTlsNames } from "../../src/server/tls/names.ts";
import {
  berthProgram,
  type CommandLineOptions,
  mayBeNobody,
  runBerth,
  startBerthAsNobody,
} from "../fixtures/command-lines.ts";
import { attempt, makeTemporaryFolder, succeed } from "../fixtures/processes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { isAvailable } from "../programs.ts";

setDefaultTimeout(30_000);

/** Not every file system knows this. */
const mayMakeImmutable = (() => {
  const file = join(tmpdir(), `berth-immutable-${process.pid}`);
  writeFileSync(file, "");
  const made = spawnSync("chattr", ["+i", file]).status === 0;
  if (made) spawnSync("chattr", ["-i", file]);
  rmSync(file);
  return made;
})();

const name = "registry.berth.test";
let folder: string;
let root: string;
let secure: RunningRegistry;
let plain: RunningRegistry;
let fingerprint: string;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  await chmod(folder, 0o755);
  ({ fingerprint } = await setUpLocalTls(join(folder, "tls"), parseTlsNames([name])));
  [secure, plain] = await Promise.all([
    startBerth({ args: ["--tls-folder", join(folder, "tls")] }),
    startBerth(),
  ]);
});
afterAll(async () => {
  await Promise.all([secure?.stop(), plain?.stop()]);
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  root = join(folder, "root");
  await rm(root, { recursive: true, force: true });
  await put("/etc/hosts", "127.0.0.1\tlocalhost\n");
  for (const engine of ["docker", "containers"]) await mkdir(join(root, "etc", engine), { recursive: true });
});

const put = (path: string, text: string) => Bun.write(join(root, path), text);
const read = (path: string) => Bun.file(join(root, path)).text();
const registryOf = ({ host }: RunningRegistry) => `${name}:${host.split(":")[1]}`;
const here = ["--address", "127.0.0.1"];

function setUp(registry: string, args: readonly string[], options: CommandLineOptions = {}) {
  return runBerth(["setup", "client", registry, "--root", root, ...args], { cwd: folder, ...options });
}

/** What every file below the root says. */
async function state(): Promise<Readonly<Record<string, string>>> {
  const files = await readdir(root, { recursive: true, withFileTypes: true });
  const entries = files.map(async (entry) => {
    const path = join(entry.parentPath, entry.name);
    return [path.slice(root.length), entry.isFile() ? await Bun.file(path).text() : "(no file)"] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

describe("berth setup client", () => {
  test("setup client keeps what others wrote since when it is undone, and names what it cannot tell apart", async () => {
    const registry = registryOf(secure);
    const done = await setUp(registry, [...here, "--fingerprint", fingerprint]);
    expect(done.stderr).toBe("");
    await put("/etc/hosts", `${await read("/etc/hosts")}10.0.0.9\tothers\n`);
    await put(`/etc/containers/certs.d/${registry}/ca.crt`, "another");
    const undone = await setUp(registry, ["--undo"]);
    expect(undone.exitCode).toBe(1);
    expect(undone.stdout).toMatch(/certs\.d\/\S+\/ca\.crt\s+stays: others changed it since/);
    expect(await read("/etc/hosts")).toBe("127.0.0.1\tlocalhost\n10.0.0.9\tothers\n");
    expect(await read(`/etc/containers/certs.d/${registry}/ca.crt`)).toBe("another");
    expect(await readdir(join(root, "etc", "docker"))).toEqual([]);
    await rm(join(root, `/etc/containers/certs.d/${registry}/ca.crt`));
    expect((await setUp(registry, ["--undo"])).exitCode).toBe(0);
    expect((await setUp(registry, ["--undo"])).exitCode).toBe(2);
    expect(Object.keys(await state()).sort()).toEqual([
      "/etc",
      "/etc/containers",
      "/etc/docker",
      "/etc/hosts",
    ]);
  });

  test("setup client keeps apart what it did for two registries", async () => {
    const before = await state();
    const [one, two] = [registryOf(plain), registryOf(secure)];
    await setUp(one, [...here, "--insecure"]);
    await setUp(two, ["--fingerprint", fingerprint]);
    expect(JSON.parse(await read("/etc/docker/daemon.json"))["insecure-registries"]).toEqual([one]);
    expect((await setUp(one, ["--undo"])).exitCode).toBe(0);
    expect((await setUp(two, ["--undo"])).exitCode).toBe(0);
    expect(await state()).toEqual(before);
  });

  test.each([
    [
      "daemon.json is no JSON",
      "/etc/docker/daemon.json",
      '{\n  "debug": yes\n}',
      /daemon\.json is no JSON: .* in line 2/,
    ],
    ["registries.conf is no TOML", "/etc/containers/registries.conf", "[[", /registries\.conf is no TOML/],
    [
      "a folder is a file",
      "/etc/containers/registries.conf.d",
      "x",
      /registries\.conf\.d\/\S+: a part of its path is no folder: nothing was changed/,
    ],
  ])("setup client changes nothing when %s", async (_, path, text, message) => {
    await put(path, text);
    const before = await state();
    const { exitCode, stderr } = await setUp(registryOf(plain), [...here, "--insecure"]);
    expect(exitCode).not.toBe(0);
    expect(stderr).toMatch(message);
    expect(await state()).toEqual(before);
  });

  test("setup client follows links as a program would for which the folder is all there is", async () => {
    const [outside, registry] = [join(folder, "outside"), registryOf(secure)];
    await mkdir(join(outside, "certs.d", registry), { recursive: true });
    await Bun.write(join(outside, "certs.d", registry, "ca.crt"), "theirs");
    await rm(join(root, "etc", "docker"), { recursive: true });
    await symlink(outside, join(root, "etc", "docker"));
    await symlink("/../../etc", join(root, "etc", "containers", "certs.d"));
    const before = await state();
    const wanted = ["--engine", "docker", "--engine", "podman"]; // a link that leads nowhere is no engine
    const done = await setUp(registry, [...here, ...wanted, "--fingerprint", fingerprint]);
    expect(done).toMatchObject({ exitCode: 0, stderr: "" });
    const [inside, cornered] = [join(outside, "certs.d", registry, "ca.crt"), `/etc/${registry}/ca.crt`];
    for (const path of [inside, cornered]) expect(await read(path)).toContain("-----BEGIN CERTIFICATE-----");
    expect(await Bun.file(inside).text()).toBe("theirs");
    expect((await setUp(registry, ["--undo"])).exitCode).toBe(0);
    expect(await state()).toEqual(before);
    expect(await Bun.file(inside).text()).toBe("theirs");
    await rm(outside, { recursive: true });
  });

  test.each([
    [
      "expired",
      [name],
      100,
      /it expired on .*: run berth setup server --add registry\.berth\.test on the server/,
    ],
    [
      "for another name",
      ["other.test"],
      0,
      /is for other\.test, not for registry\.berth\.test: .*: run berth setup server --add registry\.berth\.test/,
    ],
  ])(
    "setup client refuses a certificate that is %s, and changes nothing",
    async (_, names, daysAgo, message) => {
      const file = (path: string) => Bun.file(join(folder, "tls", path)).text();
      const authority = { certificate: await file("authority.pem"), key: await file("authority.key") };
      const key = await makeServerKey();
      const made = new Date(Date.now() - daysAgo * 86_400_000);
      const cert = await issueCertificate(authority, key, parseTlsNames(names), made);
      const server = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        tls: { cert, key },
        fetch: () => new Response(authority.certificate),
      });
      const before = await state();
      const { exitCode, stderr } = await setUp(`${name}:${server.port}`, [
        ...here,
        "--fingerprint",
        fingerprint,
      ]);
      await server.stop(true);
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(message);
      expect(await state()).toEqual(before);
    },
  );

  test("setup client takes everything back when the registry does not answer as one", async () => {
    const file = (path: string) => Bun.file(join(folder, "tls", path)).text();
    const [cert, key, authority] = await Promise.all(["server.pem", "server.key", "authority.pem"].map(file));
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      tls: { cert: cert ?? "", key: key ?? "" },
      fetch: ({ url }) => new Response(authority, { status: url.endsWith("/v2/") ? 503 : 200 }),
    });
    const before = await state();
    const how = [...here, "--fingerprint", fingerprint];
    const { exitCode, stderr } = await setUp(`${name}:${server.port}`, how);
    await server.stop(true);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(
      "answered with status 503, expected that of a registry; what was changed is taken back",
    );
    expect(await state()).toEqual(before);
  });

  test("setup client asks a person whether the fingerprint is right when none is given", async () => {
    const before = await state();
    const no = await setUp(registryOf(secure), here, { typed: ["no"] });
    expect(no.exitCode).toBe(1);
    expect(no.stderr).toContain(fingerprint);
    expect(await state()).toEqual(before);
    const yes = await setUp(registryOf(secure), here, { typed: ["yes"] });
    expect(yes.exitCode).toBe(0);
    expect(await read("/etc/hosts")).toContain(`127.0.0.1\t${name}\n`);
  });

  test("setup client takes the authority from a file, and says where plain HTTP or nothing answers", async () => {
    const file = join(folder, "tls", "authority.pem");
    expect((await setUp(registryOf(secure), [...here, "--ca-file", file])).exitCode).toBe(0);
    const server = await setUp(registryOf(secure), [...here, "--ca-file", join(folder, "tls", "server.pem")]);
    expect(server.stderr).toContain("is the certificate of a server, not of an authority");
    const noTls = await setUp(registryOf(plain), [...here, "--fingerprint", fingerprint]);
    expect(noTls.stderr).toMatch(/speaks no HTTPS: run berth setup server .* or add --insecure/);
    const tls = await setUp(registryOf(secure), [...here, "--insecure"]);
    expect(tls.stderr).toMatch(/ speaks HTTPS, no plain HTTP: leave out --insecure$/m);
    const nobody = await setUp(`${name}:1`, [...here, "--fingerprint", fingerprint]);
    expect(nobody.stderr).toMatch(/cannot reach .*: check that berth serve --listen 0\.0\.0\.0:1 runs there/);
    const wrong = await setUp(registryOf(secure), [...here, "--fingerprint", "12"]);
    expect(wrong.exitCode).toBe(2);
    const nowhere = await setUp(registryOf(secure), [...here, "--root", join(folder, "nowhere")]);
    expect(nowhere).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("there is no such folder"),
    });
  });

  test("setup client and doctor say where an engine goes on to check nothing, as it once was allowed to", async () => {
    const registry = registryOf(secure);
    const files = ["/etc/docker/daemon.json", "/etc/buildkit/buildkitd.toml"];
    await put("/etc/docker/daemon.json", JSON.stringify({ "insecure-registries": [registry, secure.host] }));
    await put(
      "/etc/buildkit/buildkitd.toml",
      `[registry."${registry}"]\nhttp = true\n[registry."${secure.host}"]\nhttp = true`,
    );
    const { stdout } = await setUp(registry, [...here, "--fingerprint", fingerprint]);
    for (const file of files) expect(stdout).toContain(`To do: ${file} still lets `);
    await setUp(secure.host, ["--fingerprint", fingerprint]);
    const { findings } = JSON.parse(
      (await runBerth(["doctor", secure.host, "--root", root, "--json"])).stdout,
    );
    const of = (name: string) => findings.find(({ check }: { check: string }) => check === name);
    expect(of("docker")).toMatchObject({ state: "note", hint: expect.stringContaining(files[0] ?? "") });
    expect(of("buildkit")).toMatchObject({ state: "wrong", says: expect.stringContaining("http = true") });
    expect(of("podman")).toMatchObject({ state: "fine" });
  });

  test("setup client changes nothing when there is nothing that it could tell", async () => {
    for (const engine of ["docker", "containers"]) await rm(join(root, "etc", engine), { recursive: true });
    await put("/usr/sbin/update-ca-certificates", "");
    await mkdir(join(root, "usr", "local", "share", "ca-certificates"), { recursive: true });
    const insecure = await setUp(registryOf(plain), [...here, "--insecure"]); // the system's list is no help
    await rm(join(root, "usr"), { recursive: true });
    const before = await state();
    const refused = await setUp(registryOf(secure), [...here, "--fingerprint", fingerprint]);
    for (const { exitCode, stderr } of [insecure, refused]) {
      expect(exitCode).toBe(2);
      expect(stderr).toContain("nothing is installed here that could be told of it");
    }
    expect(await state()).toEqual(before);
  });

  test.skipIf(!mayMakeImmutable)("setup client says that a file may be immutable", async () => {
    const before = await state();
    await succeed("chattr", ["+i", join(root, "etc", "hosts")]);
    try {
      const how = [registryOf(secure), [...here, "--fingerprint", fingerprint]] as const;
      expect((await setUp(...how)).stderr).toContain(
        "cannot change /etc/hosts: not even root may write it: it may be immutable (lsattr): nothing was changed",
      );
      expect(await state()).toEqual(before);
    } finally {
      await succeed("chattr", ["-i", join(root, "etc", "hosts")]);
    }
  });

  const bundle = "/etc/ssl/certs/ca-certificates.crt";
  test.each([
    ["Debian", "/usr/sbin/update-ca-certificates", "/usr/local/share/ca-certificates", "crt", bundle],
    [
      "Alpine",
      "/usr/sbin/update-ca-certificates",
      "/usr/local/share/ca-certificates",
      "crt",
      "/etc/ssl/cert.pem",
    ],
    [
      "Fedora",
      "/usr/bin/update-ca-trust",
      "/etc/pki/ca-trust/source/anchors",
      "pem",
      "/etc/pki/tls/certs/ca-bundle.crt",
    ],
    ["Arch", "/usr/bin/update-ca-trust", "/etc/ca-certificates/trust-source/anchors", "crt", bundle],
    [
      "openSUSE",
      "/usr/sbin/update-ca-certificates",
      "/etc/pki/trust/anchors",
      "pem",
      "/etc/ssl/ca-bundle.pem",
    ],
  ])(
    "setup client puts the authority where %s looks for it, until its list has it",
    async (_, program, anchors, ending, list) => {
      const registry = registryOf(secure);
      await put(program, "");
      await mkdir(join(root, anchors), { recursive: true });
      await put("/var/extracted.pem", "# made by a program\n");
      await mkdir(dirname(join(root, list)), { recursive: true });
      await symlink("/var/extracted.pem", join(root, list)); // as Fedora has it: seen from there
      const before = await state();
      const wanted = [...here, "--engine", "system", "--fingerprint", fingerprint];
      const told = `not run, because of --root: ${basename(program)}\n`;
      expect((await setUp(registry, wanted)).stdout).toContain(told);
      const file = `${anchors}/berth-${registry.replace(":", "_")}.${ending}`;
      const authority = await Bun.file(join(folder, "tls", "authority.pem")).text();
      expect((await read(file)).trim()).toBe(authority.trim());
      expect((await setUp(registry, wanted)).stdout).toContain(told);
      await put("/var/extracted.pem", authority);
      expect((await setUp(registry, wanted)).stdout).not.toContain("not run");
      await put("/var/extracted.pem", "# made by a program\n");
      expect((await setUp(registry, ["--undo"])).exitCode).toBe(0);
      expect(await state()).toEqual(before);
    },
  );

  test.skipIf(!isAvailable("strace"))(
    "setup client that is killed as it changes files is put right by the next one, and taken back",
    async () => {
      const registry = registryOf(secure);
      await mkdir(join(root, "var", "lib"), { recursive: true });
      const before = await state();
      const command = ["setup", "client", registry, ...here, "--fingerprint", fingerprint, "--root", root];
      const killAt = async (path: string) => {
        const at = [
          "-P",
          `${join(root, path)}.berth-setup`,
          "-e",
          "trace=/rename",
          "-e",
          "inject=/rename:signal=KILL",
        ];
        const berth = [process.execPath, berthProgram, ...command];
        expect((await attempt("strace", ["-f", "-qq", ...at, ...berth])).exitCode).toBe(-1);
        expect(await state()).not.toEqual(before);
      };
      await killAt(recordPath(parseRegistryName(registry))); // nothing is known of it
      expect((await setUp(registry, ["--undo"])).stderr).toContain("nothing was set up");
      expect(await state()).toEqual(before);
      await killAt("/etc/hosts");
      expect(await read("/etc/hosts")).toBe("127.0.0.1\tlocalhost\n");
      expect((await setUp(registry, ["--undo"])).exitCode).toBe(0);
      expect(await state()).toEqual(before);
      await killAt(`/etc/containers/certs.d/${registry}/ca.crt`);
      expect(await setUp(registry, [...here, "--fingerprint", fingerprint])).toMatchObject({ exitCode: 0 });
      expect((await setUp(registry, ["--undo"])).exitCode).toBe(0);
      expect(await state()).toEqual(before);
    },
  );

  test.skipIf(!mayBeNobody)(
    "setup client names at once all that a user who is not root may not write",
    async () => {
      await mkdir(join(root, "var", "lib", "berth-setup"), { recursive: true });
      const [registry, before] = [registryOf(secure), await state()];
      const args = ["setup", "client", registry, "--root", root];
      const refused = await startBerthAsNobody(...args, ...here, "--fingerprint", fingerprint);
      expect(refused.exitCode).toBe(1);
      const paths = ["docker", "containers"].map((engine) => `/etc/${engine}/certs.d/${registry}/ca.crt`);
      expect(refused.stderr).toContain(
        `cannot change ${[recordPath(parseRegistryName(registry)), "/etc/hosts", ...paths].join(", ")}: not allowed: run it as root, with sudo: ` +
          "nothing was changed",
      );
      expect(await state()).toEqual(before);
      await setUp(registry, [...here, "--fingerprint", fingerprint]);
      const [done, undone] = [await state(), await startBerthAsNobody(...args, "--undo")];
      expect(undone).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining("run it as root, with sudo"),
      });
      expect(await state()).toEqual(done);
    },
  );
});
