import { afterAll, beforeAll, describe, setDefaultTimeout, test } from "bun:test";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "../src/client/client.ts";
import { parseRepositoryName } from "../src/oci/names.ts";
import { bytesFor, pushImage, pushIndex, tags } from "../src/registry/contract/fixtures.ts";
import { digestOf } from "../src/registry/hash.ts";
import { type DockerEngine, startDockerEngine } from "./fixtures/docker-engine.ts";
import { installBerth, runGuide } from "./fixtures/guides.ts";
import { writeBuildContext } from "./fixtures/images.ts";
import { makeTemporaryFolder } from "./fixtures/processes.ts";
import { type RunningRegistry, startBerth, startDockerRegistry } from "./fixtures/registries.ts";
import { isAvailable } from "./programs.ts";

setDefaultTimeout(60_000);

const guide = join(import.meta.dir, "..", "docs", "moving-from-another-registry.md");

describe.skipIf(!isAvailable("docker-registry", "skopeo", "dockerd", "docker"))(
  "docs/moving-from-another-registry.md",
  () => {
    let folder: string;
    let old: RunningRegistry;
    let berth: RunningRegistry;
    let engine: DockerEngine;
    let path: string;

    beforeAll(async () => {
      folder = await makeTemporaryFolder();
      await writeFile(join(folder, "berth.yaml"), "gc: { lease: 0s }\n");
      [old, berth, engine] = await Promise.all([
        startDockerRegistry(),
        startBerth({ data: join(folder, "berth-data"), args: ["--config", join(folder, "berth.yaml")] }),
        startDockerEngine(),
      ]);
      const client = createClient(old.host);
      const app = parseRepositoryName("team/app");
      const partsOf = (architecture: string, layer: Uint8Array, tag: string) => ({
        layers: [layer],
        config: { architecture, os: "linux", rootfs: { type: "layers", diff_ids: [digestOf(layer)] } },
        tags: tags(tag),
      });
      const image = await pushImage(client, app, partsOf("amd64", bytesFor(1, 90_000), "1.0"));
      const arm = await pushImage(client, app, partsOf("arm64", bytesFor(2, 40_000), "1.1"));
      const index = await pushIndex(client, app, [image.descriptor, arm.descriptor], { tags: tags("multi") });
      await pushImage(client, app, {
        layers: [bytesFor(3)],
        subject: index.descriptor,
        artifactType: "application/x.sbom",
      });
      await pushImage(client, parseRepositoryName("web"), partsOf("s390x", bytesFor(4), "latest"));
      client.close();
      await pushBuilt("shop/front", 1, 2);
      await pushBuilt("shop/back", 1, 2, 3);
      await mkdir(join(folder, "busy"));
      await writeFile(join(folder, "busy", "Dockerfile"), "FROM scratch\nCOPY content /\n");
      path = await installBerth(folder);
    });

    /** Pushes versions that docker built to the old registry, and keeps nothing of them. */
    async function pushBuilt(repository: string, ...versions: readonly number[]): Promise<void> {
      for (const version of versions) {
        const name = `${old.host}/${repository}:${version}`;
        const seed = `${repository}-${version}`;
        const context = await writeBuildContext({ folder: join(folder, seed), seed, layers: [4_000_000] });
        await engine.docker("build", "--quiet", "--tag", name, context);
        await engine.docker("push", "--quiet", name);
        await engine.docker("rmi", name);
      }
    }

    afterAll(async () => {
      await Promise.all([berth?.stop(), old?.stop(), engine?.stop()]);
      await rm(folder, { recursive: true, force: true });
    });

    test("its commands do and print what it says", async () => {
      const env = { ...engine.env, PATH: path, HOME: folder };
      const replace = {
        "/var/lib/registry": old.data,
        "old.example.com": old.host,
        "localhost:5000": berth.host.replace("127.0.0.1", "localhost"),
      };
      await runGuide(guide, { cwd: folder, env, replace });
    });
  },
);
