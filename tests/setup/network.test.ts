import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { type DockerEngine, startDockerEngine } from "../fixtures/docker-engine.ts";
import { smallLayers, writeBuildContext } from "../fixtures/images.ts";
import { berth, startNetwork, type TestNetwork } from "../fixtures/machines.ts";
import type { BackgroundProcess } from "../fixtures/processes.ts";
import { isAvailable } from "../programs.ts";

setDefaultTimeout(60_000);

const registry = "registry.local:5000";

describe.skipIf(!isAvailable("ip", "openssl"))("a registry on the local network", () => {
  let network: TestNetwork;
  let serving: BackgroundProcess;
  let fingerprint: string;
  let data: string;

  const client = (...args: readonly string[]) => network.client.run([...berth, "setup", "client", ...args]);
  const attemptClient = (...args: readonly string[]) =>
    network.client.attempt([...berth, "setup", "client", ...args]);
  const setupServer = (...names: readonly string[]) =>
    network.server.run([...berth, "setup", "server", ...names, "--data", data, "--json"]);

  /** Every file that setup could touch on the client, with what it says, and whose it is. */
  async function stateOfClient(): Promise<string> {
    const places = "/etc /var/lib /usr/local/share/ca-certificates";
    const list = `find ${places} -printf '%y %m %U:%G %p %l\\n' | sort; find ${places} -type f -exec sha256sum {} + | sort`;
    return network.client.run(["sh", "-c", list]);
  }

  async function serve(...args: readonly string[]): Promise<BackgroundProcess> {
    const listen = ["--listen", "0.0.0.0:5000", "--data", data];
    const started = network.server.start([...berth, "serve", ...listen, ...args]);
    await started.waitForOutput(/listens on https/);
    return started;
  }

  beforeAll(async () => {
    network = await startNetwork();
    data = join(network.folder, "data");
    fingerprint = JSON.parse(await setupServer("registry.local")).fingerprint;
    serving = await serve("--open=push", "--mdns", "registry.local");
  });

  afterAll(async () => {
    await serving?.stop();
    await network?.stop();
  });

  test("setup client finds the server by multicast DNS, and leaves everything as it was when it is undone", async () => {
    const before = await stateOfClient();
    const shown = await client(registry, "--fingerprint", fingerprint, "--dry-run");
    expect(shown).toContain("+ 10.77.0.1\tregistry.local");
    expect(shown).toContain("would run");
    expect(await stateOfClient()).toBe(before);

    const done = await client(registry, "--fingerprint", fingerprint);
    expect(done).toContain(`${registry} is at 10.77.0.1 (by multicast DNS)`);
    expect(done).toContain(`A request to https://${registry}/v2/ was answered with 200`);
    expect(await network.client.run(["curl", "--silent", "--show-error", `https://${registry}/v2/`])).toBe(
      "{}",
    );
    expect(await client(registry, "--fingerprint", fingerprint)).toContain("Nothing has to change");

    const undone = await client(registry, "--undo");
    expect(undone).toContain("/etc/hosts");
    expect(await stateOfClient()).toBe(before);
  });

  test("setup client changes nothing when the fingerprint is another", async () => {
    const before = await stateOfClient();
    const wrong = "0".repeat(64);
    const refused = await attemptClient(registry, "--address", "10.77.0.1", "--fingerprint", wrong);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain(`has the fingerprint ${fingerprint}, expected ${wrong}`);
    const unasked = await attemptClient(registry);
    expect(unasked.exitCode).toBe(2);
    expect(unasked.stderr).toContain("--fingerprint");
    expect(await stateOfClient()).toBe(before);
  });

  test.skipIf(!isAvailable("podman", "skopeo", "ctr"))(
    "podman, skopeo and containerd push and pull over TLS when setup client told them",
    async () => {
      await client(registry, "--fingerprint", fingerprint, "--engine", "podman", "--engine", "containerd");
      const home = join(network.folder, "home");
      const run = (line: string) =>
        network.client.run(["sh", "-ec", line], {
          env: { HOME: home, XDG_RUNTIME_DIR: home },
          cwd: network.folder,
        });
      const context = join(network.folder, "pod");
      await writeBuildContext({ folder: context, seed: "pod", layers: smallLayers });
      const storage = "--storage-driver vfs --root ./pods/root --runroot ./pods/run";
      const image = `${registry}/team/pod:1`;
      await run(
        `mkdir -p home && podman ${storage} build --isolation chroot --quiet --tag ${image} ${context}`,
      );
      await run(`podman ${storage} push ${image}`);
      await run(`podman ${storage} image rm --force ${image} && podman ${storage} pull ${image}`);
      expect(await run(`skopeo list-tags docker://${registry}/team/pod`)).toContain('"1"');
      expect(await run(`${berth.join(" ")} tags ls ${registry}/team/pod`)).toContain("1");
      const containerd = network.client.start([
        ...["containerd", "--address", join(network.folder, "c.sock")],
        ...["--root", join(network.folder, "c"), "--state", join(network.folder, "c-state")],
      ]);
      await containerd.waitForOutput(/containerd successfully booted/);
      const ctr = `ctr --address ${join(network.folder, "c.sock")} images`;
      const hosts = "--hosts-dir /etc/containerd/certs.d";
      await run(`${ctr} pull --snapshotter native ${hosts} ${image}`);
      await run(`${ctr} tag ${image} ${registry}/team/ctr:1 && ${ctr} push ${hosts} ${registry}/team/ctr:1`);
      expect((await network.client.attempt(["sh", "-c", `${ctr} pull ${image}`])).exitCode).not.toBe(0);
      await containerd.stop();
      await client(registry, "--undo");
      const refused = await network.client.attempt(["skopeo", "list-tags", `docker://${registry}/team/pod`]);
      expect(refused.exitCode).not.toBe(0);
    },
  );

  test("setup server adds names to the certificate of the running server, and keeps the authority", async () => {
    const again = JSON.parse(await setupServer("--add", "registry.lan"));
    expect(again).toMatchObject({ authority: "kept", certificate: "renewed", fingerprint });
    expect(again.dns).toEqual(["registry.local", "registry.lan", "localhost"]);
    await serving.waitForOutput(/took the new certificate/);
    const other = "registry.lan:5000";
    const how = ["--fingerprint", fingerprint, "--address", "10.77.0.1", "--engine", "podman"];
    expect(await client(other, ...how)).toContain("answered with 200");
    await client(other, "--undo");
    expect(JSON.parse(await setupServer())).toMatchObject({ certificate: "kept" });
  });

  test("setup client changes nothing when the hosts file may not be written, and writes one that is mounted", async () => {
    const mount = "mount --bind /etc/hosts /etc/hosts";
    await network.client.run(["sh", "-c", `${mount} && mount -o remount,ro,bind /etc/hosts`]);
    const before = await stateOfClient();
    const how = [registry, "--fingerprint", fingerprint, "--engine", "docker"];
    const refused = await attemptClient(...how);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain(
      "cannot change /etc/hosts: its file system is read-only: nothing was changed",
    );
    expect(await stateOfClient()).toBe(before);
    await network.client.run(["sh", "-c", "umount /etc/hosts"]);
    await network.client.run(["sh", "-c", mount]);
    expect(await client(...how)).toContain("answered with 200");
    await client(registry, "--undo");
    expect(await stateOfClient()).toBe(before);
    await network.client.run(["umount", "/etc/hosts"]);
  });

  describe.skipIf(!isAvailable("dockerd", "docker"))("with docker", () => {
    let engine: DockerEngine;

    beforeAll(async () => {
      engine = await startDockerEngine({ inside: network.client.inside });
      const context = join(network.folder, "app");
      await writeBuildContext({ folder: context, seed: "app", layers: smallLayers });
      await engine.docker("build", "--quiet", "--tag", "app", context);
    });

    afterAll(() => engine?.stop());

    async function pushAndPull(reference: string): Promise<void> {
      await engine.docker("tag", "app", reference);
      await engine.docker("push", reference);
      await engine.docker("image", "rm", reference);
      await engine.docker("pull", reference);
      await engine.docker("image", "rm", reference);
    }

    test("docker pushes and pulls over TLS without an insecure entry, from another host", async () => {
      const reference = `${registry}/team/app:1`;
      await engine.docker("tag", "app", reference);
      expect((await engine.attemptDocker("push", reference)).exitCode).toBe(1);
      await client(registry, "--fingerprint", fingerprint, "--engine", "docker");
      await pushAndPull(reference);
      expect(await engine.docker("info", "--format", "{{json .RegistryConfig.IndexConfigs}}")).not.toContain(
        registry,
      );
      await client(registry, "--undo");
      expect((await engine.attemptDocker("pull", reference)).exitCode).toBe(1);
    });

    test("docker pushes and pulls over plain HTTP with the entry", async () => {
      const plain = network.server.start([
        ...berth,
        "serve",
        ...["--listen", "10.77.0.1:5001", "--data", join(network.folder, "plain"), "--open=push"],
      ]);
      await plain.waitForOutput(/listens on http:/);
      const settings = join(network.client.seen("/etc"), "docker", "daemon.json");
      await Bun.write(settings, '{\n    "debug": true\n}\n');
      const before = await stateOfClient();
      const host = "plain.lan:5001";
      // It has looked at /etc/hosts, and keeps for a while what it found.
      const unknown = await engine.attemptDocker("pull", `${host}/team/app:1`);
      expect(unknown.stderr).toContain("lookup plain.lan");
      const done = await client(host, "--insecure", "--address", "10.77.0.1");
      expect(done).toContain("can read passwords and images");
      expect(done).toContain("systemctl reload docker");
      expect(await Bun.file(settings).text()).toContain('    "debug": true,\n    "insecure-registries": [');
      engine.reload();
      while (!(await engine.docker("info")).includes(host)) await Bun.sleep(20);
      await pushAndPull(`${host}/team/app:1`);
      await client(host, "--undo");
      expect(await stateOfClient()).toBe(before);
      await plain.stop();
    });
  });
});
