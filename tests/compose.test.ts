import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadSettings } from "../src/server/settings/settings.ts";
import { makeCertificate } from "./fixtures/certificates.ts";
import { type DockerEngine, startDockerEngine } from "./fixtures/docker-engine.ts";
import { isSetting } from "./fixtures/environments.ts";
import { buildBerthImage } from "./fixtures/executables.ts";
import { smallLayers, writeBuildContext } from "./fixtures/images.ts";
import { startNetwork, type TestNetwork } from "./fixtures/machines.ts";
import { makeTemporaryFolder, succeed } from "./fixtures/processes.ts";
import { importProxyImage, type ShippedProxy } from "./fixtures/shipped-proxies.ts";
import { isAvailable, programPath } from "./programs.ts";

setDefaultTimeout(60_000);

const deploy = join(import.meta.dir, "..", "deploy");

// biome-ignore lint/suspicious/noExplicitAny: safe: each test says what it expects of a document, at any depth
type Tree = any;

describe.skipIf(!isAvailable("docker-compose"))("deploy/compose", () => {
  const configOf = async (file: string): Promise<Tree> => {
    const args = ["--file", join(deploy, "compose", file), "config", "--format", "json"];
    return JSON.parse(
      await succeed(programPath("docker-compose"), args, { env: { BERTH_IMAGE: undefined } }),
    );
  };

  test.each(["compose.yaml", "nginx.yaml", "caddy.yaml"])(
    "%s runs Berth with no more than it needs",
    async (file) => {
      const { berth } = (await configOf(file)).services ?? {};
      expect(berth).toMatchObject({
        ...{
          image: "berth",
          restart: "always",
          read_only: true,
          cap_drop: ["ALL"],
          stop_grace_period: "45s",
        },
        security_opt: ["no-new-privileges:true"],
        volumes: [{ type: "volume", source: "data", target: "/data" }],
      });
      const environment: Record<string, string> = berth?.environment ?? {};
      expect(() => loadSettings({}, environment)).not.toThrow();
      expect(Object.keys(environment).every(isSetting)).toBe(true);
    },
  );

  test("compose.yaml publishes Berth's port", async () => {
    const { services } = await configOf("compose.yaml");
    expect(services?.berth?.ports).toMatchObject([{ target: 5000, published: "5000" }]);
  });
});

const canRun =
  isAvailable("docker-compose", "dockerd", "docker", "ip", "nginx", "caddy", "openssl") &&
  Bun.which("dpkg-deb") !== null;

describe.skipIf(!canRun)("deploy/compose, run by an engine", () => {
  /** As their comments have it: a copy of deploy, in which names and certificates are one's own. */
  let folder: string;
  let network: TestNetwork;
  let engine: DockerEngine;

  beforeAll(async () => {
    folder = await makeTemporaryFolder();
    await cp(deploy, join(folder, "deploy"), { recursive: true });
    const image = buildBerthImage(folder);
    network = await startNetwork();
    engine = await startDockerEngine({ newer: "graph driver", inside: network.server.inside, network: true });
    await engine.docker("load", "--input", await image);
    for (const kind of ["nginx", "caddy"] as const) await importProxyImage(kind, engine, folder);
    await writeFile(join(network.server.seen("/etc"), "hosts"), "127.0.0.1 localhost registry.example.com\n");
    const context = { folder: join(folder, "app"), seed: "app", layers: smallLayers };
    await engine.docker("build", "--quiet", "--tag", "app", await writeBuildContext(context));
  });
  afterAll(async () => {
    await engine?.stop();
    await network?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const compose = (file: string, ...args: readonly string[]) =>
    succeed(programPath("docker-compose"), ["--file", join(folder, "deploy", "compose", file), ...args], {
      env: { ...engine.env, BERTH_IMAGE: undefined, BERTH_PORT: undefined },
    });

  /** Logs in, pushes and pulls, as the file's first lines say. */
  async function use(file: string, host: string): Promise<void> {
    const password = /the password (\w+)/.exec(await compose(file, "logs", "berth"))?.[1];
    const login = `echo ${password} | '${programPath("docker")}' login --username admin --password-stdin ${host}`;
    const { stdout, stderr } = await engine.attemptShell(login);
    if (!stdout.includes("Login Succeeded")) throw new Error(`${stderr}\n${await compose(file, "logs")}`);
    const reference = `${host}/compose/app:1`;
    await engine.docker("tag", "app", reference);
    await engine.docker("push", reference);
    await engine.docker("rmi", reference);
    expect(await engine.docker("pull", reference)).toContain("Digest: sha256:");
    await engine.docker("rmi", reference);
  }

  /** Lets the engine trust who vouches for the name of the shipped settings. */
  async function trust(authority: string): Promise<void> {
    const trusted = join(network.server.seen("/etc"), "docker", "certs.d", "registry.example.com");
    await mkdir(trusted, { recursive: true });
    await writeFile(join(trusted, "ca.crt"), authority);
  }

  const authorities: Readonly<Record<ShippedProxy, () => Promise<string>>> = {
    nginx: async () => readFile(join(folder, "deploy", "compose", "tls", "registry.pem"), "utf8"),
    caddy: async () => {
      const place = "berth-caddy-1:/data/caddy/pki/authorities/local/root.crt";
      await engine.docker("cp", place, join(folder, "root.crt"));
      return readFile(join(folder, "root.crt"), "utf8");
    },
  };

  test("compose.yaml serves, and keeps everything when it is brought up again", async () => {
    await compose("compose.yaml", "up", "--detach", "--wait");
    await use("compose.yaml", "127.0.0.1:5000");
    await compose("compose.yaml", "down");
    await compose("compose.yaml", "up", "--detach", "--wait");
    expect(await engine.docker("pull", "127.0.0.1:5000/compose/app:1")).toContain("Digest: sha256:");
    await compose("compose.yaml", "down", "--volumes");
  });

  test.each(["nginx", "caddy"] as const)("%s.yaml serves behind the proxy alone", async (kind) => {
    const tls = join(folder, "deploy", "compose", "tls");
    if (kind === "nginx") {
      await mkdir(tls);
      await makeCertificate(tls, "registry", { names: "DNS:registry.example.com" });
    } else {
      const settings = join(folder, "deploy", "proxies", "Caddyfile");
      const own = (await readFile(settings, "utf8")).replace("registry.example.com {", "$&\n\ttls internal");
      await writeFile(settings, own);
    }
    const file = `${kind}.yaml`;
    await compose(file, "up", "--detach", "--wait");
    await trust(await authorities[kind]());
    await use(file, "registry.example.com");
    expect((await engine.attemptDocker("pull", "127.0.0.1:5000/compose/app:1")).exitCode).toBe(1);
    await compose(file, "down", "--volumes");
  });
});
