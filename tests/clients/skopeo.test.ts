import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type ContainerTools, makeContainerTools } from "../fixtures/container-tools.ts";
import { smallLayers } from "../fixtures/images.ts";
import { writeLayout } from "../fixtures/layouts.ts";
import { type RunningRegistry, startBerth, startDockerRegistry } from "../fixtures/registries.ts";
import { isAvailable } from "../programs.ts";

setDefaultTimeout(60_000);

describe.skipIf(!isAvailable("skopeo"))("skopeo", () => {
  let berth: RunningRegistry;
  let tools: ContainerTools;
  /** An image and an index of two images, as layouts that skopeo reads. */
  const image = { digest: "", source: "" };
  const index = { digest: "", source: "" };

  beforeAll(async () => {
    berth = await startBerth();
    tools = await makeContainerTools([berth.host]);
    const [folder, layers] = [tools.folder, smallLayers];
    image.source = `oci:${join(folder, "image")}:latest`;
    image.digest = await writeLayout({
      ...{ folder: join(folder, "image"), layers },
      ...{ seed: "skopeo image", platforms: ["linux/amd64"] },
    });
    index.source = `oci:${join(folder, "index")}:latest`;
    index.digest = await writeLayout({
      ...{ folder: join(folder, "index"), layers },
      ...{ seed: "skopeo index", platforms: ["linux/amd64", "linux/arm64"] },
    });
  });

  afterAll(async () => {
    await Promise.all([berth?.stop(), tools?.remove()]);
  });

  const at = (name: string, host = berth.host) => `docker://${host}/${name}`;
  const dir = (name: string) => `dir:${join(tools.folder, name)}`;
  const inspect = async (reference: string) => JSON.parse(await tools.skopeo("inspect", reference));
  const rawType = async (reference: string) =>
    JSON.parse(await tools.skopeo("inspect", "--raw", reference)).mediaType;
  const digestAt = async (url: string) =>
    (await fetch(url, { headers: { accept: "*/*" } })).headers.get("docker-content-digest");

  async function contentOf(folder: string): Promise<Record<string, string>> {
    const names = await readdir(join(tools.folder, folder), { recursive: true });
    const files = names.filter((name) => name !== "version").sort();
    const digests = files.map(async (name) => {
      const bytes = await Bun.file(join(tools.folder, folder, name)).bytes();
      return [name, Bun.hash(bytes).toString()] as const;
    });
    return Object.fromEntries(await Promise.all(digests));
  }

  test("skopeo copy gives the same bytes back when it sent a folder", async () => {
    await tools.skopeo("copy", image.source, dir("sent"));
    await tools.skopeo("copy", dir("sent"), at("tools/app:1"));
    await tools.skopeo("copy", at("tools/app:1"), dir("received"));
    expect(await contentOf("received")).toEqual(await contentOf("sent"));
    expect(await digestAt(`${berth.url}/v2/tools/app/manifests/1`)).toBe(image.digest);
  });

  test("skopeo inspect describes an image", async () => {
    await tools.skopeo("copy", image.source, at("tools/described:2"));
    await tools.skopeo("copy", image.source, at("tools/described:1"));
    expect(await inspect(at("tools/described:2"))).toMatchObject({
      Name: `${berth.host}/tools/described`,
      Digest: image.digest,
      RepoTags: ["1", "2"],
      Os: "linux",
      Architecture: "amd64",
      Labels: { seed: "skopeo image" },
    });
  });

  test("skopeo list-tags lists them in order", async () => {
    for (const tag of ["b", "a", "10", "9"])
      await tools.skopeo("copy", image.source, at(`tools/tags:${tag}`));
    expect(JSON.parse(await tools.skopeo("list-tags", at("tools/tags")))).toEqual({
      Repository: `${berth.host}/tools/tags`,
      Tags: ["10", "9", "a", "b"],
    });
  });

  test.each([
    ["v2s2", "application/vnd.docker.distribution.manifest.v2+json"],
    ["oci", "application/vnd.oci.image.manifest.v1+json"],
  ])("skopeo copy stores an image in the format %s", async (format, mediaType) => {
    const target = at(`tools/format:${format}`);
    await tools.skopeo("copy", "--format", format, image.source, target);
    expect(await rawType(target)).toBe(mediaType);
    await tools.skopeo("copy", target, dir(`format-${format}`));
  });

  test("skopeo delete removes an image with each tag that points at it", async () => {
    await tools.skopeo("copy", image.source, at("tools/deleted:1"));
    await tools.skopeo("copy", image.source, at("tools/deleted:2"));
    await tools.skopeo("copy", "--all", index.source, at("tools/deleted:kept"));
    await tools.skopeo("delete", at("tools/deleted:1"));
    const { exitCode, stderr } = await tools.attemptSkopeo("inspect", at("tools/deleted:2"));
    expect(exitCode).toBe(1);
    expect(stderr).toContain("kept");
    expect(JSON.parse(await tools.skopeo("list-tags", at("tools/deleted"))).Tags).toEqual(["kept"]);
  });

  test("skopeo copy --all keeps the digest of an index and of each image in it", async () => {
    await tools.skopeo("copy", "--all", index.source, at("tools/multi:1"));
    await tools.skopeo("copy", "--all", at("tools/multi:1"), dir("multi"));
    await tools.skopeo("copy", "--all", dir("multi"), at("tools/again:1"));
    expect(await digestAt(`${berth.url}/v2/tools/again/manifests/1`)).toBe(index.digest);
    const { manifests } = JSON.parse(await tools.skopeo("inspect", "--raw", at("tools/again:1")));
    expect(manifests).toHaveLength(2);
    for (const { digest } of manifests) {
      expect(await digestAt(`${berth.url}/v2/tools/again/manifests/${digest}`)).toBe(digest);
    }
  });

  test("skopeo copy takes the image of a platform from an index", async () => {
    await tools.skopeo("copy", "--all", index.source, at("tools/platforms:1"));
    const arm = ["--override-os", "linux", "--override-arch", "arm64"];
    await tools.skopeo(...arm, "copy", at("tools/platforms:1"), at("tools/arm:1"));
    expect(JSON.parse(await tools.skopeo(...arm, "inspect", at("tools/arm:1"))).Architecture).toBe("arm64");
  });

  test("skopeo inspect prints the tags that are there when one is missing", async () => {
    await tools.skopeo("copy", image.source, at("tools/near:2.1.3"));
    const { exitCode, stderr } = await tools.attemptSkopeo("inspect", at("tools/near:2.1.4"));
    expect(exitCode).toBe(1);
    expect(stderr).toContain("tools/near");
    expect(stderr).toContain("2.1.4");
    expect(stderr).toContain("2.1.3");
  });

  describe.skipIf(!isAvailable("docker-registry"))("with another registry", () => {
    let peer: RunningRegistry;
    let both: ContainerTools;

    beforeAll(async () => {
      peer = await startDockerRegistry();
      both = await makeContainerTools([berth.host, peer.host]);
    });

    afterAll(async () => {
      await Promise.all([peer?.stop(), both?.remove()]);
    });

    test("skopeo copy --all brings an index there and back with the same digest", async () => {
      await both.skopeo("copy", "--all", index.source, at("tools/traveller:1"));
      await both.skopeo("copy", "--all", at("tools/traveller:1"), at("guest:1", peer.host));
      await both.skopeo("copy", "--all", at("guest:1", peer.host), at("tools/returned:1"));
      expect(await digestAt(`${berth.url}/v2/tools/returned/manifests/1`)).toBe(index.digest);
    });
  });
});
