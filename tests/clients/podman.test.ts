import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { buildIndex, type ContainerTools, makeContainerTools } from "../fixtures/container-tools.ts";
import { smallLayers, writeBuildContext } from "../fixtures/images.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { isAvailable } from "../programs.ts";

setDefaultTimeout(120_000);

describe.skipIf(!isAvailable("podman", "buildah", "skopeo"))("podman and buildah", () => {
  let berth: RunningRegistry;
  let tools: ContainerTools;

  beforeAll(async () => {
    berth = await startBerth();
    tools = await makeContainerTools([berth.host]);
    const context = join(tools.folder, "app");
    await writeBuildContext({ folder: context, seed: "podman", layers: smallLayers });
    await tools.podman("build", "--quiet", "--layers", "--tag", "localhost/app", context);
  });

  afterAll(async () => {
    await Promise.all([berth?.stop(), tools?.remove()]);
  });

  const noTls = "--tls-verify=false";
  const idOf = (image: string) => tools.podman("image", "inspect", "--format", "{{.Id}}", image);
  const digestOf = (image: string) => tools.skopeo("inspect", "--format", "{{.Digest}}", `docker://${image}`);

  test.each([
    ["oci", "application/vnd.oci.image.manifest.v1+json"],
    ["v2s2", "application/vnd.docker.distribution.manifest.v2+json"],
  ])("podman pull finds what podman push sent when the format is %s", async (format, mediaType) => {
    const reference = `${berth.host}/pods/${format}:1`;
    await tools.podman("push", noTls, "--format", format, "localhost/app", reference);
    const manifest = JSON.parse(await tools.skopeo("inspect", "--raw", `docker://${reference}`));
    expect(manifest.mediaType).toBe(mediaType);
    const id = await tools.podman("pull", "--quiet", noTls, reference);
    expect(manifest.config.digest).toBe(`sha256:${id}`);
  });

  test("podman pull brings every layer when the image was removed locally", async () => {
    const reference = `${berth.host}/pods/removed:1`;
    const context = join(tools.folder, "removed");
    await writeBuildContext({ folder: context, seed: "removed", layers: smallLayers });
    await tools.podman("build", "--quiet", "--layers", "--tag", reference, context);
    const id = await idOf(reference);
    await tools.podman("push", noTls, reference);
    await tools.podman("image", "rm", "--force", reference);
    expect((await tools.attemptPodman("image", "exists", id)).exitCode).toBe(1);

    const pulled = await tools.attemptPodman("pull", noTls, reference);
    expect(pulled.exitCode).toBe(0);
    expect(pulled.stderr.match(/Copying blob/g)).toHaveLength(smallLayers.length);
    expect(await idOf(reference)).toBe(id);
  });

  test("podman pull prints the tags that are there when one is missing", async () => {
    await tools.podman("push", noTls, "localhost/app", `${berth.host}/pods/near:1.9`);
    const { exitCode, stderr } = await tools.attemptPodman("pull", noTls, `${berth.host}/pods/near:1.8`);
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain("pods/near");
    expect(stderr).toContain("1.8");
    expect(stderr).toContain("1.9");
  });

  test("podman pull takes its platform from an index that buildah pushed and skopeo copied", async () => {
    const platforms = ["linux/amd64", "linux/arm64"];
    await buildIndex(tools, "many", platforms);
    const [pushed, copied] = [`${berth.host}/pods/many:1`, `${berth.host}/pods/copied:1`];
    await tools.buildah("manifest", "push", "--all", noTls, "many", `docker://${pushed}`);
    await tools.skopeo("copy", "--all", `docker://${pushed}`, `docker://${copied}`);
    expect(await digestOf(copied)).toBe(await digestOf(pushed));
    for (const platform of platforms) {
      const id = await tools.podman("pull", "--quiet", noTls, "--platform", platform, copied);
      const seed = await tools.podman("image", "inspect", "--format", "{{.Labels.seed}}", id);
      expect(seed).toBe(`many-${platform.replace("/", "-")}`);
    }
  });
});
