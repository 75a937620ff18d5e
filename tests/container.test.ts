import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { cp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readElf } from "../deploy/image/elf.ts";
import manifest from "../package.json" with { type: "json" };
import { unpacked } from "../src/layout/archive/compression.ts";
import { openLayout } from "../src/layout/layout.ts";
import { plainPlace } from "../src/layout/names.ts";
import { entriesOf } from "../src/layout/tar/tar-stream.ts";
import type { Descriptor } from "../src/oci/descriptors.ts";
import type { Digest } from "../src/oci/digests.ts";
import { parseManifest } from "../src/oci/manifests.ts";
import { parseTag } from "../src/oci/names.ts";
import { openBlob } from "../src/registry/blobs.ts";
import { piecesOf } from "../src/registry/pieces.ts";
import { bytesOf, joinChunks } from "../src/registry/streams.ts";
import { type DockerEngine, startDockerEngine } from "./fixtures/docker-engine.ts";
import { installBerth, runGuide } from "./fixtures/guides.ts";
import { smallLayers, writeBuildContext } from "./fixtures/images.ts";
import { startNetwork, type TestMachine, type TestNetwork } from "./fixtures/machines.ts";
import { makeTemporaryFolder, startProcess, succeed } from "./fixtures/processes.ts";
import { missingOf, pushImage } from "./fixtures/pushes.ts";
import { startBerth } from "./fixtures/registries.ts";
import { isAvailable, programPath } from "./programs.ts";

setDefaultTimeout(120_000);

const root = join(import.meta.dir, "..");
const { repository } = plainPlace;
const isDebian = Bun.which("dpkg-deb") !== null && /^ID=debian$/m.test(await release());

/** Built once, for all tests. */
let folder: string;
let image: ReturnType<typeof openLayout>;
let sizes: readonly { readonly toPull: number; readonly onDisk: number }[];
const guide = join(root, "docs", "container.md");
const built = { SOURCE_DATE_EPOCH: "1700000000" };
const told = ["--revision", "0123456789abcdef", "--source", "https://example.com/berth"];

async function release(): Promise<string> {
  return readFile("/etc/os-release", "utf8").catch(() => "");
}

const build = (checkout: string, output: string, ...args: readonly string[]) =>
  succeed("node", [join(checkout, "bin", "image.mjs"), "--output", output, ...told, ...args], { env: built });

describe.skipIf(!isDebian)("npm run image", () => {
  beforeAll(async () => {
    folder = await makeTemporaryFolder();
    const said = await build(root, join(folder, "image"));
    sizes = Array.from(said.matchAll(/(\S+)MB to pull, (\S+)MB on disk/g), ([, toPull, onDisk]) => ({
      toPull: Number(toPull),
      onDisk: Number(onDisk),
    }));
    expect(sizes).toHaveLength(2);
    image = openLayout(join(folder, "image", "layout"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const registry = () => image.at(plainPlace.registry);
  const top = () => registry().getTag(repository, parseTag(manifest.version));
  async function childrenOf() {
    const { bytes, descriptor } = await top();
    const index = parseManifest(bytes, descriptor.mediaType);
    return "manifests" in index ? index : { manifests: [], annotations: {} };
  }
  const bytesAt = async (digest: Digest) =>
    bytesOf(await openBlob(await registry().getBlob(repository, digest)));

  async function manifestOf(child: Descriptor) {
    const { bytes, descriptor } = await registry().getManifest(repository, child.digest);
    const parsed = parseManifest(bytes, descriptor.mediaType);
    if ("manifests" in parsed) throw new Error("an image's manifest is no index");
    return { parsed, config: JSON.parse(new TextDecoder().decode(await bytesAt(parsed.config.digest))) };
  }

  /** All that is in an image. */
  async function filesOf(child: Descriptor) {
    const found = new Map<string, { content: Uint8Array; mode: number; uid: number; linkName: string }>();
    for (const { digest } of (await manifestOf(child)).parsed.layers) {
      const handle = await registry().getBlob(repository, digest);
      for await (const { entry, content } of entriesOf(unpacked(piecesOf(await openBlob(handle))))) {
        const bytes = joinChunks(await Array.fromAsync(content()));
        found.set(entry.name, { content: bytes, ...entry });
      }
    }
    return found;
  }

  test("image has an index of amd64 and arm64 that says what it is", async () => {
    const { manifests, annotations } = await childrenOf();
    expect(manifests.map(({ platform }) => platform)).toEqual([
      { os: "linux", architecture: "amd64" },
      { os: "linux", architecture: "arm64" },
    ]);
    const labels = {
      "org.opencontainers.image.title": "Berth",
      "org.opencontainers.image.description": manifest.description,
      "org.opencontainers.image.version": manifest.version,
      "org.opencontainers.image.licenses": "Apache-2.0",
      "org.opencontainers.image.created": "2023-11-14T22:13:20Z",
      "org.opencontainers.image.revision": "0123456789abcdef",
      "org.opencontainers.image.source": "https://example.com/berth",
    };
    expect(annotations).toEqual(labels);
    for (const child of manifests) {
      const { parsed, config } = await manifestOf(child);
      expect(parsed.annotations).toEqual(labels);
      expect(config).toMatchObject({ ...child.platform, created: "2023-11-14T22:13:20Z" });
      expect(config.config).toMatchObject({
        Labels: labels,
        User: "10001:10001",
        Volumes: { "/data": {} },
        ExposedPorts: { "5000/tcp": {} },
      });
    }
  });

  test.skipIf(!isAvailable("skopeo"))("image is in a layout that skopeo reads", async () => {
    const source = `oci:${join(folder, "image", "layout")}:latest`;
    const platform = ["--override-os", "linux", "--override-arch", "arm64"];
    const found = JSON.parse(await succeed(programPath("skopeo"), [...platform, "inspect", source]));
    expect(found).toMatchObject({ Architecture: "arm64", Labels: (await childrenOf()).annotations });
  });

  test("image has the program, the libraries that it needs for its processor, and no shell", async () => {
    for (const child of (await childrenOf()).manifests) {
      const files = await filesOf(child);
      const program = files.get("usr/bin/berth");
      const { needed, interpreter, architecture } = readElf(program?.content ?? new Uint8Array());
      expect(architecture).toBe(child.platform?.architecture ?? "");
      expect(program).toMatchObject({ mode: 0o755, uid: 0 });
      const libraries = [...files.keys()].filter((name) => /\.so\.\d+$/.test(name));
      const names = libraries.map((name) => name.slice(name.lastIndexOf("/") + 1));
      expect(names).toEqual(expect.arrayContaining([...needed]));
      expect(files.has(`usr${interpreter}`)).toBe(true);
      for (const name of libraries) {
        const { content, linkName } = files.get(name) ?? { content: new Uint8Array(), linkName: "" };
        if (linkName === "") expect(readElf(content).architecture).toBe(architecture);
      }
      expect(files.get("data/")).toMatchObject({ mode: 0o750, uid: 10001 });
      const programs = [...files].filter(([name, { mode }]) => mode & 0o111 && /bin\/./.test(name));
      expect(programs.map(([name]) => name)).toEqual(["usr/bin/berth"]);
    }
  });

  // An emulator of the other processor is nothing that everybody can have.
  if (isAvailable("qemu-aarch64")) {
    test("image for arm64 serves with its own libraries", async () => {
      const [, child] = (await childrenOf()).manifests;
      const unpackedTo = join(folder, "arm64");
      for (const [name, { content, mode, linkName }] of child ? await filesOf(child) : []) {
        const path = join(unpackedTo, name);
        await mkdir(name.endsWith("/") ? path : dirname(path), { recursive: true });
        if (linkName !== "") await symlink(linkName, path);
        else if (!name.endsWith("/")) await writeFile(path, content, { mode });
      }
      const program = join(unpackedTo, "usr", "bin", "berth");
      const serve = ["serve", "--listen", "127.0.0.1:0", "--data", join(folder, "arm64-data")];
      const berth = startProcess(programPath("qemu-aarch64"), ["-L", unpackedTo, program, ...serve]);
      try {
        const [, url = ""] = await berth.waitForOutput(/listens on (\S+)/);
        const image = await pushImage(url, "arm64/app", "1", [1000, 700_000]);
        expect(await missingOf(url, image)).toEqual([]);
      } finally {
        expect(await berth.stop()).toBe(0);
      }
    });
  }

  test("image has the sizes that docs/container.md states", async () => {
    const [, toPull, onDisk] = /(\d+) MB to pull, (\d+) MB on disk/.exec(await readFile(guide, "utf8")) ?? [];
    for (const size of sizes) {
      expect(Math.abs(size.toPull - Number(toPull))).toBeLessThan(2);
      expect(Math.abs(size.onDisk - Number(onDisk))).toBeLessThan(3);
    }
  });

  test("image has the same digest from another folder, and is pushed to a registry", async () => {
    const copy = join(folder, "another", "checkout");
    await mkdir(join(copy, "node_modules"), { recursive: true });
    for (const name of ["bin", "src", "deploy", "package.json", "package-lock.json", "LICENSE"])
      await cp(join(root, name), join(copy, name), { recursive: true });
    await copyDependencies(copy);
    const berth = await startBerth();
    const output = join(folder, "again");
    await build(copy, output, "--platform", "linux/amd64", "--push", `${berth.host}/berth:1`);
    const accept = "application/vnd.oci.image.index.v1+json";
    const answer = await fetch(`${berth.url}/v2/berth/manifests/1`, { headers: { accept } });
    const { manifests } = (await answer.json()) as { manifests: unknown[] }; // an index has them
    const [same] = manifests;
    const [amd64, arm64] = (await childrenOf()).manifests;
    expect(same).toEqual(amd64);
    await berth.stop();

    const script = `import("${copy}/bin/executables.mjs").then((made) => made.buildExecutable("linux-arm64", "${output}"))`;
    await succeed("node", ["--eval", script]);
    const program = arm64 && (await filesOf(arm64)).get("usr/bin/berth")?.content;
    expect((await readFile(join(output, "berth-linux-arm64"))).equals(program ?? new Uint8Array())).toBe(
      true,
    );
    await rm(output, { recursive: true });
  });

  /** What is bundled is copied, for its paths to be others; what only runs is linked. */
  async function copyDependencies(copy: string): Promise<void> {
    const { packages } = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8"));
    const bundled = Object.entries<{ dev?: true; optional?: true }>(packages).filter(
      ([path, { dev, optional }]) => path !== "" && !dev && !optional && !path.endsWith("/bun"),
    );
    for (const [path] of bundled) await cp(join(root, path), join(copy, path), { recursive: true });
    for (const name of ["bun", ".cache", ".package-lock.json"])
      await symlink(join(root, "node_modules", name), join(copy, "node_modules", name));
  }

  describe.skipIf(!isAvailable("dockerd", "docker", "ip", "curl"))("docker", () => {
    let network: TestNetwork;
    let engine: DockerEngine;

    beforeAll(async () => {
      network = await startNetwork();
      engine = await startDockerEngine({ inside: network.server.inside, network: true });
    });
    afterAll(async () => {
      await engine?.stop();
      await network?.stop();
    });

    /** As the issue of a registry in one step has it: nothing else is needed. */
    const command = "container run -d -p 5000:5000 --restart always --name registry -v berth:/data";
    const archive = () => join(folder, "image", `berth-${manifest.version}-linux-amd64.tar`);
    const run = (...more: readonly string[]) => engine.docker(...command.split(" "), ...more, "berth");
    const stateOf = async () =>
      JSON.parse(await engine.docker("container", "inspect", "--format", "{{json .State}}", "registry"));
    async function until(isSo: () => Promise<boolean>): Promise<void> {
      const deadline = Date.now() + 25_000;
      while (!(await isSo())) {
        if (Date.now() > deadline) throw new Error(`waited in vain: ${JSON.stringify(await stateOf())}`);
        await Bun.sleep(50);
      }
    }
    const isReady = async () =>
      (await engine.attemptDocker("exec", "registry", "berth", "healthcheck")).exitCode === 0;
    async function remove(): Promise<void> {
      await engine.docker("rm", "--force", "--volumes", "registry");
      await engine.docker("volume", "rm", "berth");
    }
    const pullsAgain = async (reference: string) => {
      await engine.docker("image", "rm", reference);
      return engine.docker("pull", reference);
    };

    test("one command serves others, and has all its data after a kill and a restart of the engine", async () => {
      expect(await engine.docker("load", "--input", archive())).toContain("Loaded image: berth:latest");
      await run();
      await until(isReady);
      const other = ["curl", "--silent", "--fail", `http://${network.server.address}:5000/healthz`];
      expect(await network.client.run(other)).toBe("ok");

      const logs = await engine.docker("logs", "registry");
      expect(logs).not.toContain("172.17."); // where nobody else reaches it
      const password = /the password (\w+)/.exec(logs)?.[1];
      const login = `echo ${password} | '${programPath("docker")}' login -u admin --password-stdin localhost:5000`;
      expect((await engine.attemptShell(login)).stdout).toContain("Login Succeeded");
      const context = { folder: join(network.folder, "app"), seed: "app", layers: smallLayers };
      await engine.docker(
        "build",
        "--quiet",
        "--tag",
        "localhost:5000/app",
        await writeBuildContext(context),
      );
      const digest = /sha256:[0-9a-f]{64}/.exec(await engine.docker("push", "localhost:5000/app"))?.[0];

      const { Pid: pid } = await stateOf();
      process.kill(pid, "SIGKILL");
      await until(async () => (await stateOf()).Pid !== pid && (await isReady()));
      expect(await pullsAgain("localhost:5000/app")).toContain(`Digest: ${digest}`);
      await engine.restart();
      await until(isReady);
      expect(await pullsAgain("localhost:5000/app")).toContain(`Digest: ${digest}`);

      await engine.docker("stop", "registry");
      expect(await stateOf()).toMatchObject({ Status: "exited", ExitCode: 0, OOMKilled: false });
      await remove();
    });

    test("a container does its work as a user without rights, over a root that it may not write", async () => {
      const bound = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"];
      await run(...bound, "--env", "BERTH_ACCESS_OPEN=push", "--health-interval", "1s");
      await until(async () => (await stateOf()).Health.Status === "healthy");
      const status = await readFile(`/proc/${(await stateOf()).Pid}/status`, "utf8");
      expect(status).toMatch(/^Uid:\t10001\t10001\t10001\t10001$/m);
      expect(status).toMatch(/^CapBnd:\t0+$/m);
      await engine.docker("logout", "localhost:5000");
      await engine.docker("push", "localhost:5000/app");
      expect(await pullsAgain("localhost:5000/app")).toContain("Digest: ");
      await remove();
    });

    test("a container says what is wrong with a folder that is not its user's, and ends", async () => {
      const data = join(folder, "roots");
      await mkdir(data);
      const mounted = ["--rm", "--network", "none", "--volume", `${data}:/data`];
      const { exitCode, stderr } = await engine.attemptDocker("run", ...mounted, "berth");
      expect({ exitCode, stderr }).toEqual({
        exitCode: 1,
        stderr:
          "berth: cannot write to /data, where the data is: it belongs to user 0, and Berth runs as user 10001: " +
          "chown -R 10001 /data, or choose another with --data\n",
      });
    });

    test("docs/container.md does and prints what it says", async () => {
      const client = await startDockerEngine({ inside: network.client.inside });
      try {
        await mkdir(join(folder, "dist"));
        await symlink(join(folder, "image"), join(folder, "dist", "image"));
        const on = (machine: TestMachine, { env }: DockerEngine) => [
          ...machine.inside,
          ...["env", `DOCKER_HOST=${env.DOCKER_HOST}`, `DOCKER_CONFIG=${env.DOCKER_CONFIG}`],
        ];
        await runGuide(guide, {
          cwd: folder,
          env: { ...engine.env, PATH: await installBerth(folder), HOME: folder },
          replace: { "0.1.0": manifest.version, "192.168.1.10": network.server.address },
          inside: { "": on(network.server, engine), client: on(network.client, client) },
          learned: { "6f1d2c": /fingerprint\s+([0-9a-f]{64})/ },
        });
      } finally {
        await client.stop();
      }
    });
  });
});
