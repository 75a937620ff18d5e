import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { appendFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setUpLocalTls } from "../../src/server/tls/local-authority.ts";
import { parseTlsNames } from "../../src/server/tls/names.ts";
import { type DockerEngine, startDockerEngine } from "../fixtures/docker-engine.ts";
import { smallLayers, writeBuildContext } from "../fixtures/images.ts";
import { writeLayout } from "../fixtures/layouts.ts";
import { berth, startNetwork, type TestNetwork } from "../fixtures/machines.ts";
import { attempt, type BackgroundProcess, succeed } from "../fixtures/processes.ts";
import { isAvailable, programPath } from "../programs.ts";

setDefaultTimeout(60_000);

const registry = "registry.lan:5000";
const image = `${registry}/team/app:1`;

describe.skipIf(!isAvailable("ip", "openssl"))("what engines do is what doctor says", () => {
  let network: TestNetwork;
  let serving: BackgroundProcess;
  let how: readonly string[];
  const staying: { stop(): unknown }[] = [];

  const client = (...args: readonly string[]) => network.client.run([...berth, "setup", "client", ...args]);
  const etc = (path: string) => join(network.client.seen("/etc"), path);
  const attemptOnClient = (...argv: readonly string[]) =>
    network.client.attempt(argv, { env: { HOME: network.folder, XDG_RUNTIME_DIR: network.folder } });

  beforeAll(async () => {
    network = await startNetwork();
    const data = join(network.folder, "data");
    const made = await network.server.run([
      ...berth,
      "setup",
      "server",
      "registry.lan",
      "--data",
      data,
      "--json",
    ]);
    how = [registry, "--fingerprint", JSON.parse(made).fingerprint];
    // Known beforehand, so that no setup waits for what runs here to look at /etc/hosts again.
    await appendFile(etc("hosts"), `${network.server.address}\tregistry.lan\n`);
    serving = network.server.start([
      ...berth,
      "serve",
      "--listen",
      "0.0.0.0:5000",
      "--data",
      data,
      "--open=push",
    ]);
    await serving.waitForOutput(/listens on https/);
    const layout = join(network.folder, "layout");
    await writeLayout({ folder: layout, seed: "app", layers: smallLayers, platforms: ["linux/amd64"] });
    await client(...how, "--engine", "podman");
    await network.client.run([...berth, "copy", `oci:${layout}`, image]);
    await client(registry, "--undo");
  });

  afterEach(async () => {
    for (const one of staying.splice(0).reverse()) await one.stop();
    await attemptOnClient(...berth, "setup", "client", registry, "--undo");
  });

  afterAll(async () => {
    await serving?.stop();
    await network?.stop();
  });

  /** What doctor says of some engines. */
  async function outlook(...names: readonly string[]): Promise<readonly string[]> {
    const { stdout } = await attemptOnClient(...berth, "doctor", registry, "--json");
    const { findings } = JSON.parse(stdout) as { findings: { check: string; state: string; says: string }[] }; // as printed
    return names.map((name) => findings.find(({ check }) => check === name)?.state ?? "missing");
  }

  async function startDocker(options: Parameters<typeof startDockerEngine>[0]): Promise<DockerEngine> {
    const engine = await startDockerEngine({ ...options, inside: network.client.inside });
    staying.push(engine);
    return engine;
  }

  test.each([
    ["10.99.0.1", "ENETUNREACH", "Network is unreachable"],
    ["10.77.0.9", "EHOSTUNREACH", "10.77.0.9 dev net0"],
  ])("doctor says that there is no way to %s, and how to see it", async (address, code, shown) => {
    const { exitCode, stdout } = await attemptOnClient(...berth, "doctor", `${address}:5000`, "--json");
    expect(exitCode).toBe(1);
    const { findings } = JSON.parse(stdout);
    expect(findings[1]).toEqual({
      check: "route",
      state: "wrong",
      says: `no way to ${address} (${code})`,
      mend: `ip route get ${address}`,
      hint: expect.stringContaining("firewall"),
    });
    const route = await attemptOnClient(...findings[1].mend.split(" "));
    expect(route.stdout + route.stderr).toContain(shown);
  });

  test.skipIf(!isAvailable("skopeo", "ctr", "dockerd", "docker"))(
    "engines trust a registry by the system's authorities beside a stale one of their own, and not by that alone",
    async () => {
      await client(...how);
      const other = join(network.folder, "other");
      await setUpLocalTls(other, parseTlsNames(["registry.lan"]));
      const stale = await readFile(join(other, "authority.pem"));
      for (const engine of ["docker", "containers", "containerd"])
        await writeFile(etc(`${engine}/certs.d/${registry}/ca.crt`), stale);
      const containerd = network.client.start([
        ...["containerd", "--address", join(network.folder, "c.sock")],
        ...["--root", join(network.folder, "c"), "--state", join(network.folder, "c-state")],
      ]);
      await containerd.waitForOutput(/containerd successfully booted/);
      staying.push(containerd);
      const ctr = [
        "ctr",
        "--address",
        join(network.folder, "c.sock"),
        "images",
        "pull",
        "--snapshotter",
        "native",
      ];
      const pulls = async (): Promise<readonly number[]> => {
        const engine = await startDocker({}); // it reads the system's authorities when it starts
        const results = [
          await engine.attemptDocker("pull", image),
          await attemptOnClient(...ctr, "--hosts-dir", "/etc/containerd/certs.d", image),
          await attemptOnClient("skopeo", "inspect", `docker://${image}`),
        ];
        return results.map(({ exitCode }) => exitCode);
      };
      expect(await outlook("docker", "containerd", "podman")).toEqual(["fine", "fine", "fine"]);
      expect(await pulls()).toEqual([0, 0, 0]);
      await network.client.run([
        ...["sh", "-c", "rm /usr/local/share/ca-certificates/berth-* && update-ca-certificates --fresh"],
      ]);
      expect(await outlook("docker", "containerd", "podman")).toEqual(["wrong", "wrong", "wrong"]);
      expect(await pulls()).toEqual([1, 1, 1]);
      for (const engine of ["docker", "containers", "containerd"])
        await rm(etc(`${engine}/certs.d/${registry}/ca.crt`));
    },
  );

  test.skipIf(!isAvailable("dockerd"))(
    "docker does not start with the list that setup client refuses to write beside that of a flag",
    async () => {
      const flag = ["--insecure-registry", "a.lan:5000"];
      const settings = join(network.folder, "daemon.json");
      await writeFile(settings, JSON.stringify({ "insecure-registries": [registry] }));
      const own = ["--data-root", join(network.folder, "d"), "--pidfile", join(network.folder, "d.pid")];
      const command = ["timeout", "20", programPath("dockerd"), "--config-file", settings, ...own, ...flag];
      const started = await attemptOnClient(...command);
      expect(started).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("insecure-registries") });
    },
  );

  test.skipIf(!isAvailable("containerd"))(
    "containerd takes the settings that it makes itself when setup client changed them",
    async () => {
      const newer = join(programPath("newer-dockerd"), "..", "..", "bin", "containerd");
      const programs = ["containerd", ...(isAvailable("newer-dockerd") ? [newer] : [])];
      for (const program of programs) {
        const made = await succeed(program, ["config", "default"]);
        await mkdir(etc("containerd"), { recursive: true });
        await writeFile(etc("containerd/config.toml"), made);
        const done = await client(...how, "--engine", "containerd");
        expect(done).toContain("Kubernetes' containerd reads /etc/containerd/certs.d");
        const changed = await network.client.run([
          program,
          "--config",
          "/etc/containerd/config.toml",
          "config",
          "dump",
        ]);
        const registryTable = /\.registry\]\s+config_path = ['"]\/etc\/containerd\/certs\.d['"]/;
        expect(changed).toMatch(registryTable);
        await client(registry, "--undo");
        expect(await readFile(etc("containerd/config.toml"), "utf8")).toBe(made);
        await rm(etc("containerd/config.toml"));
      }
    },
  );

  test.skipIf(!isAvailable("trust"))(
    "the program that makes the list of authorities on Fedora and Arch takes the one that setup client put there",
    async () => {
      const root = join(network.folder, "fedora");
      const anchors = join(root, "etc", "pki", "ca-trust", "source", "anchors");
      await mkdir(anchors, { recursive: true });
      await mkdir(etc("pkcs11/modules"), { recursive: true });
      await Bun.write(join(root, "usr", "bin", "update-ca-trust"), "");
      await client(...how, "--root", root, "--engine", "system");
      const module = `module: p11-kit-trust.so\ntrust-policy: yes\nx-init-reserved: paths='${dirname(anchors)}'\n`;
      await writeFile(etc("pkcs11/modules/p11-kit-trust.module"), module);
      const list = join(network.folder, "list.pem");
      const extract = [
        "extract",
        "--format=pem-bundle",
        "--filter=ca-anchors",
        "--purpose=server-auth",
        list,
      ];
      await network.client.run([programPath("trust"), ...extract]);
      const authority = await readFile(join(network.folder, "data", "tls", "authority.pem"), "utf8");
      expect((await readFile(list, "utf8")).replaceAll(/^#.*$/gm, "").trim()).toBe(authority.trim());
    },
  );

  /** Builds an image upon the one at the registry, and pushes it. */
  async function context(): Promise<string> {
    const folder = join(network.folder, "context");
    await writeBuildContext({ folder, seed: "derived", layers: smallLayers });
    await writeFile(join(folder, "Dockerfile"), `FROM ${image}\nLABEL made=on-it\n`);
    return folder;
  }

  test.skipIf(!isAvailable("docker-buildx", "newer-dockerd", "docker"))(
    "the BuildKit in docker pulls and pushes over TLS when setup client told docker",
    async () => {
      const engine = await startDocker({ newer: "containerd" });
      const args = ["build", "--pull", "--push", "--tag", `${registry}/team/derived:1`, await context()];
      const build = () => attempt(programPath("docker-buildx"), args, { env: engine.env });
      await client(...how, "--engine", "docker");
      expect(await build()).toMatchObject({ exitCode: 0 });
      await engine.docker("pull", `${registry}/team/derived:1`);
    },
  );

  // No package of Debian has it: tried where somebody put it on the PATH.
  if (isAvailable("buildkitd", "buildctl"))
    test("a BuildKit of its own pulls and pushes over TLS when setup client told it", async () => {
      const settings = etc("buildkit/buildkitd.toml");
      await mkdir(etc("buildkit"), { recursive: true });
      await writeFile(settings, `# mine\n[registry.'${registry}']\n  mirrors = []\n`);
      await client(...how, "--engine", "buildkit");
      const address = `unix://${join(network.folder, "buildkit.sock")}`;
      const daemon = network.client.start([
        ...[programPath("buildkitd"), "--addr", address, "--root", join(network.folder, "buildkit")],
        ...["--oci-worker-snapshotter=native", "--oci-worker-net=host"],
      ]);
      await daemon.waitForOutput(/running server on/);
      staying.push(daemon);
      const place = await context();
      const build = [
        "build",
        "--frontend",
        "dockerfile.v0",
        "--local",
        `context=${place}`,
        "--local",
        `dockerfile=${place}`,
      ];
      const output = `type=image,name=${registry}/team/built:1,push=true`;
      const built = await attemptOnClient(
        programPath("buildctl"),
        "--addr",
        address,
        ...build,
        "--output",
        output,
      );
      expect({ ...built, stdout: "" }).toMatchObject({ exitCode: 0 });
      expect(await outlook("buildkit")).toEqual(["fine"]);
    });
});
