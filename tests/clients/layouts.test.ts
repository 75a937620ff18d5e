import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { writeArchive } from "../../src/layout/archive/files.ts";
import { openArchive } from "../../src/layout/archive/open.ts";
import { archiveOf } from "../../src/layout/archive/write.ts";
import { openLayout } from "../../src/layout/layout.ts";
import { plainPlace } from "../../src/layout/names.ts";
import { parseDigest } from "../../src/oci/digests.ts";
import { isIndex, parseManifest } from "../../src/oci/manifests.ts";
import { parseTag } from "../../src/oci/names.ts";
import { parseReference } from "../../src/oci/references.ts";
import { openBlob } from "../../src/registry/blobs.ts";
import { copy } from "../../src/registry/copy.ts";
import { bytesOf } from "../../src/registry/streams.ts";
import { type ContainerTools, makeContainerTools } from "../fixtures/container-tools.ts";
import { smallLayers } from "../fixtures/images.ts";
import { writeLayout } from "../fixtures/layouts.ts";
import { succeed } from "../fixtures/processes.ts";
import { startBerth } from "../fixtures/registries.ts";
import { isAvailable, programPath } from "../programs.ts";

setDefaultTimeout(60_000);

const latest = parseTag("latest");
const host = parseReference("example.com:5000/team/app:1.0");

describe.skipIf(!isAvailable("skopeo"))("layouts and other programs", () => {
  let tools: ContainerTools;
  /** Images as skopeo names them, and their digests. */
  const image = { digest: "", folder: "" };
  const index = { digest: "", folder: "" };

  beforeAll(async () => {
    tools = await makeContainerTools([]);
    image.folder = join(tools.folder, "image");
    index.folder = join(tools.folder, "index");
    const shared = { layers: smallLayers, seed: "layouts" };
    image.digest = await writeLayout({ ...shared, folder: image.folder, platforms: ["linux/amd64"] });
    const platforms = ["linux/amd64", "linux/arm64"];
    index.digest = await writeLayout({ ...shared, folder: index.folder, platforms });
  });

  afterAll(() => tools?.remove());

  const plain = (folder: string) => ({
    registry: openLayout(folder).at(plainPlace.registry),
    repository: plainPlace.repository,
  });

  /** Copies both into a new layout, the image under a plain tag and the index under a whole reference. */
  async function writeWithBerth(name: string): Promise<string> {
    const folder = join(tools.folder, name);
    await copy({ ...plain(image.folder), tag: latest }, { ...plain(folder), tags: [latest] });
    const target = { registry: openLayout(folder).at(host.registry), repository: host.repository };
    await copy({ ...plain(index.folder), tag: latest }, { ...target, tags: [parseTag("1.0")] });
    return folder;
  }

  test("skopeo reads what Berth wrote, by tag and by reference, with all platforms", async () => {
    const folder = await writeWithBerth("written");
    const copied = join(tools.folder, "copied");
    await tools.skopeo("copy", "--all", `oci:${folder}:latest`, `oci:${copied}:one`);
    await tools.skopeo("copy", "--all", `oci:${folder}:example.com:5000/team/app:1.0`, `oci:${copied}:all`);
    const digests = (await openLayout(copied).entries()).map(({ descriptor }) => descriptor.digest as string);
    expect(digests).toEqual([image.digest, index.digest]);
    expect(JSON.parse(await tools.skopeo("inspect", `oci:${folder}:latest`)).Labels).toEqual({
      seed: "layouts",
    });
  });

  test("Berth reads what skopeo wrote into its layout, whole", async () => {
    const folder = await writeWithBerth("shared");
    const name = "docker.io/library/alpine:3.20";
    await tools.skopeo("copy", "--all", `oci:${index.folder}:latest`, `oci:${folder}:${name}`);
    const { registry, repository, tag } = parseReference(name);
    const alpine = openLayout(folder).at(registry);
    const { descriptor, bytes } = await alpine.getTag(repository, tag ?? latest);
    expect(descriptor.digest as string).toBe(index.digest);
    const manifest = parseManifest(bytes, descriptor.mediaType);
    for (const child of isIndex(manifest) ? manifest.manifests : []) {
      const stored = await alpine.getManifest(repository, child.digest);
      const childManifest = parseManifest(stored.bytes, child.mediaType);
      for (const layer of isIndex(childManifest) ? [] : childManifest.layers) {
        const body = await openBlob(await alpine.getBlob(repository, layer.digest));
        expect((await bytesOf(body)).byteLength).toBe(layer.size);
      }
    }
    expect(await openLayout(folder).entries()).toHaveLength(3);
  });

  test.skipIf(!isAvailable("umoci"))("umoci lists and unpacks what Berth wrote, and tags in it", async () => {
    const folder = await writeWithBerth("for-umoci");
    const umoci = (...args: readonly string[]) => succeed(programPath("umoci"), args);
    const listed = (await umoci("list", "--layout", folder)).split("\n");
    expect(listed.sort()).toEqual(["example.com:5000/team/app:1.0", "latest"]);
    const unpacked = join(tools.folder, "unpacked");
    await umoci("raw", "unpack", "--rootless", "--image", `${folder}:latest`, unpacked);
    for (const [at, size] of smallLayers.entries()) {
      expect(Bun.file(join(unpacked, `layer-${at}`)).size).toBe(size);
    }
    await umoci("tag", "--image", `${folder}:latest`, "mine");
    await umoci("gc", "--layout", folder);
    const found = await plain(folder).registry.resolveTag(plainPlace.repository, parseTag("mine"));
    expect(found.digest as string).toBe(image.digest);
    expect(await openLayout(folder).entries()).toHaveLength(3);
  });

  test.skipIf(!isAvailable("oras"))(
    "oras reads what Berth wrote, and Berth what oras wrote beside it",
    async () => {
      const folder = await writeWithBerth("for-oras");
      const oras = (...args: readonly string[]) => succeed(programPath("oras"), args, { cwd: tools.folder });
      const listed = (await oras("repo", "tags", "--oci-layout", folder)).split("\n");
      expect(listed.sort()).toEqual(["example.com:5000/team/app:1.0", "latest"]);
      const manifest = await oras("manifest", "fetch", "--descriptor", "--oci-layout", `${folder}:latest`);
      expect(JSON.parse(manifest).digest).toBe(image.digest);
      await oras(
        "cp",
        "--recursive",
        "--from-oci-layout",
        `${folder}:latest`,
        "--to-oci-layout",
        `${folder}-2:copied`,
      );
      await Bun.write(join(tools.folder, "sbom.json"), "{}");
      const attach = [
        "attach",
        "--artifact-type",
        "example/sbom",
        "--oci-layout",
        `${folder}-2:copied`,
        "sbom.json",
      ];
      await oras(...attach);
      const { registry, repository } = plain(`${folder}-2`);
      const { digest } = await registry.resolveTag(repository, parseTag("copied"));
      expect(digest as string).toBe(image.digest);
      const { items } = await registry.listReferrers(repository, digest);
      expect(items.map(({ artifactType }) => artifactType)).toEqual(["example/sbom"]);
    },
  );

  test.skipIf(!isAvailable("crane"))(
    "crane pushes what Berth wrote, and Berth reads what crane pulled",
    async () => {
      const berth = await startBerth();
      try {
        const crane = (...args: readonly string[]) => succeed(programPath("crane"), ["--insecure", ...args]);
        const single = join(tools.folder, "for-crane");
        await copy({ ...plain(image.folder), tag: latest }, { ...plain(single), tags: [latest] });
        const name = `${berth.host}/from/berth:1`;
        await crane("push", single, name);
        expect(await crane("digest", name)).toBe(image.digest);
        const archive = join(tools.folder, "for-crane.tar");
        await writeArchive(
          archive,
          archiveOf([{ ...plain(image.folder), digest: parseDigest(image.digest) }]),
        );
        await crane("validate", "--tarball", archive);
        const pulled = join(tools.folder, "crane-pulled");
        await crane("pull", "--format", "oci", "--annotate-ref", name, pulled);
        await crane("pull", "--format", "tarball", name, `${pulled}.tar`);
        for (const entries of [
          await openLayout(pulled).entries(),
          (await openArchive(`${pulled}.tar`)).entries(),
        ]) {
          expect(entries.map(({ registry, repository, tag }) => `${registry}/${repository}:${tag}`)).toEqual([
            name,
          ]);
        }
        expect((await openLayout(pulled).entries())[0]?.descriptor.digest as string).toBe(image.digest);
      } finally {
        await berth.stop();
      }
    },
  );
});
