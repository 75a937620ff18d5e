import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { writeArchive } from "../../src/layout/archive/files.ts";
import type { ImageToSave } from "../../src/layout/archive/gather.ts";
import { openArchive } from "../../src/layout/archive/open.ts";
import { archiveOf, hostPlatform } from "../../src/layout/archive/write.ts";
import { dockerArchiveOf } from "../../src/layout/archive/write-docker.ts";
import { type Layout, openLayout } from "../../src/layout/layout.ts";
import { plainPlace } from "../../src/layout/names.ts";
import { parseTag } from "../../src/oci/names.ts";
import { parseReference } from "../../src/oci/references.ts";
import { copy } from "../../src/registry/copy.ts";
import { type ContainerTools, makeContainerTools } from "../fixtures/container-tools.ts";
import { type DockerEngine, startDockerEngine } from "../fixtures/docker-engine.ts";
import { smallLayers, writeBuildContext } from "../fixtures/images.ts";
import { writeLayout } from "../fixtures/layouts.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";
import { isAvailable } from "../programs.ts";

setDefaultTimeout(120_000);

const latest = parseTag("latest");

function nameOf(text: string) {
  const { registry, repository, tag = latest } = parseReference(text);
  return { registry, repository, tag };
}

/** Copies all that an archive has into a layout. */
async function load(path: string, layout: Layout): Promise<void> {
  const archive = await openArchive(path);
  for (const { registry, repository, tag, descriptor } of archive.entries()) {
    const from = { registry: archive.at(registry), repository, digest: descriptor.digest };
    await copy(from, { registry: layout.at(registry), repository, tags: tag ? [tag] : [] });
  }
}

/** The digest of the config of each image, by name: docker's image ID. */
async function configsOf(layout: Layout): Promise<Record<string, string>> {
  const configs: Record<string, string> = {};
  for (const { registry, repository, tag, descriptor } of await layout.entries()) {
    const { bytes } = await layout.at(registry).getManifest(repository, descriptor.digest);
    configs[`${registry}/${repository}:${tag}`] = JSON.parse(new TextDecoder().decode(bytes)).config.digest;
  }
  return configs;
}

/** A layout of skopeo's kind with an image, and that image as it is to be saved. */
async function makeImage(folder: string, platforms: readonly string[]): Promise<Omit<ImageToSave, "name">> {
  await writeLayout({ folder, seed: folder, layers: smallLayers, platforms });
  const registry = openLayout(folder).at(plainPlace.registry);
  const { digest } = await registry.resolveTag(plainPlace.repository, latest);
  return { registry, repository: plainPlace.repository, digest };
}

describe.skipIf(!isAvailable("dockerd", "docker"))("archives and a docker engine", () => {
  let engine: DockerEngine;
  let folder: string;

  beforeAll(async () => {
    folder = await makeTemporaryFolder();
    engine = await startDockerEngine();
    await makeImage(join(folder, "image"), ["linux/amd64"]);
  });

  afterAll(async () => {
    await engine?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const idOf = (reference: string) => engine.docker("image", "inspect", "--format", "{{.Id}}", reference);

  test("docker load takes what archiveOf and dockerArchiveOf wrote, under all names", async () => {
    const registry = openLayout(join(folder, "image")).at(plainPlace.registry);
    const { digest } = await registry.resolveTag(plainPlace.repository, latest);
    const names = ["gallery:1.0", "localhost:5000/team/gallery:1"].map(nameOf);
    const images = names.map((name) => ({ registry, repository: plainPlace.repository, digest, name }));
    for (const write of [archiveOf, dockerArchiveOf]) {
      const path = join(folder, `${write.name}.tar`);
      await writeArchive(path, write(images));
      const printed = await engine.docker("load", "--input", path);
      expect(printed).toContain("Loaded image: gallery:1.0");
      expect(printed).toContain("Loaded image: localhost:5000/team/gallery:1");
      const layout = openLayout(join(folder, `${write.name}-loaded`));
      await load(path, layout);
      expect(await idOf("gallery:1.0")).toBe(
        (await configsOf(layout))["docker.io/library/gallery:1.0"] ?? "",
      );
      await engine.docker("image", "rm", "--force", await idOf("gallery:1.0"));
    }
  });

  test("docker load takes the platform of its engine from an index that archiveOf wrote", async () => {
    const image = await makeImage(join(folder, "index"), ["linux/arm64", "linux/amd64", "linux/s390x"]);
    const path = join(folder, "index.tar");
    const platform = { os: "linux", architecture: "arm64" };
    await writeArchive(path, archiveOf([{ ...image, name: nameOf("multi:1") }], { platform }));
    await engine.docker("load", "--input", path);
    expect(await engine.docker("image", "inspect", "--format", "{{.Architecture}}", "multi:1")).toBe("arm64");
  });

  test("openArchive reads what docker save wrote: several images, names, shared and repeated layers", async () => {
    const context = await writeBuildContext({ folder: join(folder, "b"), seed: "b", layers: smallLayers });
    await engine.docker("build", "--quiet", "--tag", "built:1", context);
    await Bun.write(join(context, "Dockerfile"), "FROM built:1\nCOPY layer-0 /again\nCOPY layer-0 /again\n");
    await engine.docker("build", "--quiet", "--tag", "built:2", context);
    await engine.docker("tag", "built:2", "localhost:5000/team/built:two");
    const path = join(folder, "saved.tar");
    await engine.docker("save", "--output", path, "built:1", "built:2", "localhost:5000/team/built:two");
    const layout = openLayout(join(folder, "from-docker"));
    await load(path, layout);
    expect(await configsOf(layout)).toEqual({
      "docker.io/library/built:1": await idOf("built:1"),
      "docker.io/library/built:2": await idOf("built:2"),
      "localhost:5000/team/built:two": await idOf("built:2"),
    });
  });

  test("an image that went to docker and back is the same image", async () => {
    const before = openLayout(join(folder, "from-docker"));
    const [entry] = await before.entries();
    if (!entry?.tag) throw new Error("docker saved an image");
    const { registry, repository, tag, descriptor } = entry;
    const path = join(folder, "back.tar");
    const image = { registry: before.at(registry), repository, digest: descriptor.digest };
    await writeArchive(path, dockerArchiveOf([{ ...image, name: { registry, repository, tag } }]));
    await engine.docker("load", "--input", path);
    await engine.docker("save", "--output", path, `${repository.replace("library/", "")}:${tag}`);
    const after = openLayout(join(folder, "back"));
    await load(path, after);
    expect((await after.entries()).map((each) => each.descriptor.digest)).toEqual([descriptor.digest]);
  });
});

for (const store of ["graph driver", "containerd"] as const) {
  describe.skipIf(!isAvailable("newer-dockerd", "docker"))(
    `archives and a newer docker engine, ${store}`,
    () => {
      let engine: DockerEngine;
      let folder: string;

      beforeAll(async () => {
        folder = await makeTemporaryFolder();
        engine = await startDockerEngine({ newer: store });
      });

      afterAll(async () => {
        await engine?.stop();
        await rm(folder, { recursive: true, force: true });
      });

      const describeImage = async (reference: string) =>
        JSON.parse(
          await engine.docker(
            "image",
            "inspect",
            "--format",
            "[{{json .RootFS}}, {{json .Config.Labels}}]",
            reference,
          ),
        );

      test("openArchive reads what docker save wrote, and docker load what comes of it", async () => {
        const context = await writeBuildContext({
          folder: join(folder, "b"),
          seed: "b",
          layers: smallLayers,
        });
        await engine.docker("build", "--quiet", "--tag", "built:1", context);
        await engine.docker("tag", "built:1", "localhost:5000/team/built:two");
        const path = join(folder, "saved.tar");
        await engine.docker("save", "--output", path, "built:1", "localhost:5000/team/built:two");
        const before = await describeImage("built:1");
        await engine.docker("image", "rm", "--force", "built:1", "localhost:5000/team/built:two");
        const layout = openLayout(join(folder, "layout"));
        await load(path, layout);
        const entries = await layout.entries();
        expect(entries.map(({ registry, repository, tag }) => `${registry}/${repository}:${tag}`)).toEqual([
          "docker.io/library/built:1",
          "localhost:5000/team/built:two",
        ]);
        for (const write of [archiveOf, dockerArchiveOf]) {
          const images = entries.flatMap(({ registry, repository, tag, descriptor: { digest } }) =>
            tag
              ? [{ registry: layout.at(registry), repository, digest, name: { registry, repository, tag } }]
              : [],
          );
          await writeArchive(path, write(images));
          const printed = await engine.docker("load", "--input", path);
          expect(printed).toContain("Loaded image: built:1");
          expect(printed).toContain("Loaded image: localhost:5000/team/built:two");
          expect(await describeImage("built:1")).toEqual(before);
          await engine.docker("image", "rm", "--force", "built:1", "localhost:5000/team/built:two");
        }
      });

      test("docker load takes an index that archiveOf wrote, and runs the platform of its machine", async () => {
        const image = await makeImage(join(folder, "index"), ["linux/s390x", "linux/amd64", "linux/arm64"]);
        const path = join(folder, "index.tar");
        await writeArchive(path, archiveOf([{ ...image, name: nameOf("multi:1") }]));
        expect(await engine.docker("load", "--input", path)).toContain("Loaded image: multi:1");
        const format = "{{.Os}}/{{.Architecture}}";
        const { os, architecture } = hostPlatform;
        expect(await engine.docker("image", "inspect", "--format", format, "multi:1")).toBe(
          `${os}/${architecture}`,
        );
      });
    },
  );
}

describe.skipIf(!isAvailable("skopeo"))("archives and skopeo", () => {
  let tools: ContainerTools;
  let image: Omit<ImageToSave, "name">;

  beforeAll(async () => {
    tools = await makeContainerTools([]);
    image = await makeImage(join(tools.folder, "image"), ["linux/amd64"]);
  });

  afterAll(() => tools?.remove());

  const at = (name: string) => join(tools.folder, name);
  const labelsAt = async (source: string) => JSON.parse(await tools.skopeo("inspect", source)).Labels;

  test("skopeo reads what archiveOf wrote, as a docker archive and as an OCI one, with its digest", async () => {
    await writeArchive(at("both.tar"), archiveOf([{ ...image, name: nameOf("gallery:1.0") }]));
    expect(await labelsAt(`docker-archive:${at("both.tar")}:gallery:1.0`)).toEqual({ seed: at("image") });
    await tools.skopeo("copy", `oci-archive:${at("both.tar")}:1.0`, `oci:${at("copied")}:1.0`);
    const [entry] = await openLayout(at("copied")).entries();
    expect(entry?.descriptor.digest).toBe(image.digest);
  });

  test("skopeo reads what dockerArchiveOf wrote", async () => {
    await writeArchive(at("docker.tar"), dockerArchiveOf([{ ...image, name: nameOf("gallery:1.0") }]));
    expect(await labelsAt(`docker-archive:${at("docker.tar")}:gallery:1.0`)).toEqual({ seed: at("image") });
    await tools.skopeo("copy", `docker-archive:${at("docker.tar")}`, `dir:${at("dir")}`);
  });

  test("openArchive reads what skopeo wrote, as a docker archive and as an OCI one", async () => {
    const source = `oci:${at("image")}:latest`;
    await tools.skopeo("copy", source, `oci-archive:${at("oci.tar")}:example.com/app:1`);
    await tools.skopeo("copy", source, `docker-archive:${at("legacy.tar")}:example.com/app:2`);
    const layout = openLayout(at("loaded"));
    for (const name of ["oci.tar", "legacy.tar"]) await load(at(name), layout);
    const found = await layout.entries();
    expect(found.map(({ registry, repository, tag }) => `${registry}/${repository}:${tag}`)).toEqual([
      "example.com/app:1",
      "example.com/app:2",
    ]);
    expect(found[0]?.descriptor.digest).toBe(image.digest);
    const configs = Object.values(await configsOf(layout));
    expect(configs[0]).toBe(configs[1] ?? "");
  });
});
