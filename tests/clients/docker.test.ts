import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { buildIndex, type ContainerTools, makeContainerTools } from "../fixtures/container-tools.ts";
import { type DockerEngine, startDockerEngine } from "../fixtures/docker-engine.ts";
import { smallLayers, writeBuildContext } from "../fixtures/images.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { isAvailable } from "../programs.ts";

setDefaultTimeout(120_000);

describe.skipIf(!isAvailable("dockerd", "docker"))("docker engine", () => {
  let berth: RunningRegistry;
  let engine: DockerEngine;
  let folder: string;

  beforeAll(async () => {
    folder = await makeTemporaryFolder();
    [berth, engine] = await Promise.all([startBerth(), startDockerEngine()]);
    await Promise.all(["app", "digest", "list", "service"].map(build));
  });

  afterAll(async () => {
    await Promise.all([berth?.stop(), engine?.stop()]);
    await rm(folder, { recursive: true, force: true });
  });

  /** Builds an image of which no other has a layer. */
  async function build(name: string): Promise<void> {
    const context = await writeBuildContext({ folder: join(folder, name), seed: name, layers: smallLayers });
    await engine.docker("build", "--quiet", "--tag", name, context);
  }

  /** Names a built image in Berth. Resolves to its reference. */
  async function tag(image: string, name: string): Promise<string> {
    const reference = `${berth.host}/${name}`;
    await engine.docker("tag", image, reference);
    return reference;
  }

  const idOf = (reference: string) => engine.docker("image", "inspect", "--format", "{{.Id}}", reference);

  // With every name and layer: nothing else stands on them.
  const removeImage = (id: string) => engine.docker("image", "rm", "--force", id);

  async function bytesOf(repository: string): Promise<{ received: number; saved: number }> {
    const answer = await fetch(`${berth.url}/api/v1/stats`);
    const { repositories } = (await answer.json()) as {
      repositories: { repository: string; bytesReceived: number; bytesSaved: number }[]; // what the API promises
    };
    const found = repositories.find((item) => item.repository === repository);
    return { received: found?.bytesReceived ?? 0, saved: found?.bytesSaved ?? 0 };
  }

  test("docker pull brings back the image that docker push sent when it was removed locally", async () => {
    const reference = await tag("app", "gallery/app:1.0");
    const id = await idOf(reference);
    const pushed = await engine.docker("push", reference);
    expect(pushed.match(/: Pushed/g)).toHaveLength(smallLayers.length);
    const digest = pushed.match(/digest: (sha256:[0-9a-f]{64})/)?.[1];

    await removeImage(id);
    expect((await engine.attemptDocker("image", "inspect", id)).exitCode).toBe(1);

    const pulled = await engine.docker("pull", reference);
    expect(pulled.match(/: Pull complete/g)).toHaveLength(smallLayers.length);
    expect(pulled).toContain(`Digest: ${digest}`);
    expect(await idOf(reference)).toBe(id);

    const container = await engine.docker("create", reference);
    await engine.docker("cp", `${container}:/layer-2`, join(folder, "copied"));
    const sent = await Bun.file(join(folder, "app", "layer-2")).bytes();
    expect(await Bun.file(join(folder, "copied")).bytes()).toEqual(sent);
  });

  test("docker pull by digest brings the same image as by tag", async () => {
    const reference = await tag("digest", "gallery/digest:1");
    const id = await idOf(reference);
    const digest = (await engine.docker("push", reference)).match(/sha256:[0-9a-f]{64}/)?.[0];
    await removeImage(id);
    const byDigest = `${berth.host}/gallery/digest@${digest}`;
    await engine.docker("pull", byDigest);
    expect(await idOf(byDigest)).toBe(id);
  });

  test("docker push sends no layer when another repository holds them", async () => {
    const first = await tag("service", "team-a/service:1");
    await engine.docker("push", first);
    const before = await bytesOf("team-a/service");
    expect(before.received).toBeGreaterThan(smallLayers[2]);

    const second = await tag("service", "team-b/copy:1");
    const pushed = await engine.docker("push", second);
    expect(pushed.match(/: Layer already exists/g)).toHaveLength(smallLayers.length);
    expect(pushed).not.toMatch(/: Pushed/);

    const { received, saved } = await bytesOf("team-b/copy");
    expect(received).toBe(0);
    expect(saved).toBe(before.received);
    expect(await bytesOf("team-a/service")).toEqual(before);
  });

  test("docker push --all-tags pushes each tag of a repository", async () => {
    const reference = await tag("service", "gallery/many:1.0.0");
    const tags = ["1.0", "1", "latest"];
    for (const name of tags) await tag(reference, `gallery/many:${name}`);
    await engine.docker("push", "--all-tags", `${berth.host}/gallery/many`);
    const answer = await fetch(`${berth.url}/v2/gallery/many/tags/list`);
    expect(await answer.json()).toEqual({ name: "gallery/many", tags: ["1", "1.0", "1.0.0", "latest"] });
  });

  test("docker pull prints the tags that are there when one is missing", async () => {
    const reference = await tag("service", "gallery/ui:2.1.3");
    await engine.docker("push", reference);
    const { exitCode, stderr } = await engine.attemptDocker("pull", `${berth.host}/gallery/ui`);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("gallery/ui");
    expect(stderr).toMatch(/"latest"|\blatest\b/);
    expect(stderr).toContain("2.1.3");
  });

  test("docker pull prints near repositories when one is missing", async () => {
    const reference = await tag("service", "gallery/website:1");
    await engine.docker("push", reference);
    const { exitCode, stderr } = await engine.attemptDocker("pull", `${berth.host}/gallery/websiet:1`);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("gallery/websiet");
    expect(stderr).toContain("gallery/website");
  });

  test("docker manifest push makes a manifest list that docker pull takes its platform from", async () => {
    const reference = await tag("list", "gallery/list:amd64");
    const id = await idOf(reference);
    await engine.docker("push", reference);
    const list = `${berth.host}/gallery/list:1`;
    await engine.docker("manifest", "create", "--insecure", list, reference);
    await engine.docker("manifest", "push", "--insecure", list);
    await removeImage(id);
    await engine.docker("pull", list);
    expect(await idOf(list)).toBe(id);
  });

  describe.skipIf(!isAvailable("buildah"))("with an index that buildah pushed", () => {
    let tools: ContainerTools;
    const platforms = ["linux/amd64", "linux/arm64"];

    beforeAll(async () => {
      tools = await makeContainerTools([berth.host]);
      await buildIndex(tools, "multi", platforms);
    });

    afterAll(() => tools?.remove());

    test.each(["oci", "v2s2"])(
      "docker pull takes its platform from it when the format is %s",
      async (format) => {
        const target = `${berth.host}/gallery/multi:${format}`;
        const how = ["--all", "--tls-verify=false", "--format", format];
        await tools.buildah("manifest", "push", ...how, "multi", `docker://${target}`);
        for (const platform of platforms) {
          await engine.docker("pull", "--platform", platform, target);
          const template = "{{.Os}}/{{.Architecture}} {{.Config.Labels.seed}}";
          const pulled = await engine.docker("image", "inspect", "--format", template, target);
          expect(pulled).toBe(`${platform} multi-${platform.replace("/", "-")}`);
        }
      },
    );
  });
});
