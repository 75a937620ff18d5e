import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "../src/client/client.ts";
import { mediaTypes } from "../src/oci/media-types.ts";
import { parseRepositoryName, parseTag } from "../src/oci/names.ts";
import {
  bytesFor,
  describeBytes,
  imageBytes,
  jsonBytes,
  type PushedManifest,
  pushBlob,
  pushBytes,
  pushImage,
  pushIndex,
  tags,
} from "../src/registry/contract/fixtures.ts";
import { digestOf } from "../src/registry/hash.ts";
import type { Registry } from "../src/registry/registry.ts";
import { openStore } from "../src/store/store.ts";
import { runBerth } from "./fixtures/command-lines.ts";
import { makeTemporaryFolder, succeed } from "./fixtures/processes.ts";
import { type RunningRegistry, startBerth, startDockerRegistry } from "./fixtures/registries.ts";
import { isAvailable } from "./programs.ts";

setDefaultTimeout(30_000);

const app = parseRepositoryName("team/app");

describe.skipIf(!isAvailable("docker-registry", "skopeo"))(
  "berth import of what is seldom in a registry",
  () => {
    let folder: string;
    let old: RunningRegistry;
    let amd64: PushedManifest;
    let arm64: PushedManifest;
    let sparse: PushedManifest;
    let foreign: Uint8Array;

    beforeAll(async () => {
      folder = await makeTemporaryFolder();
      old = await startDockerRegistry({
        settings: {
          compatibility: { schema1: { enabled: true } },
          validation: { manifests: { urls: { allow: ["^https://"] } } },
        },
      });
      const client = createClient(old.host);
      const layer = bytesFor(1, 30_000);
      const config = {
        ...{ architecture: "amd64", os: "linux", created: "2015-01-01T00:00:00Z" },
        rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
        history: [{ created: "2015-01-01T00:00:00Z", created_by: "somebody" }],
      };
      amd64 = await pushImage(client, app, { layers: [layer], config, tags: tags("amd64") });
      const [from, to] = ["amd64", "ancient"].map((tag) => `docker://${old.host}/team/app:${tag}`) as [
        string,
        string,
      ]; // two
      const insecure = ["--src-tls-verify=false", "--dest-tls-verify=false"];
      await succeed("skopeo", ["copy", "--quiet", "--format=v2s1", ...insecure, from, to]);
      arm64 = await pushImage(client, app, {
        layers: [bytesFor(2, 30_000)],
        config: { architecture: "arm64" },
      });
      const s390x = await pushImage(client, app, {
        layers: [bytesFor(3)],
        config: { architecture: "s390x" },
      });
      sparse = await pushIndex(client, app, [arm64.descriptor, s390x.descriptor], { tags: tags("sparse") });
      await client.deleteManifest(app, s390x.descriptor.digest);
      const windows = {
        ...(await pushBlob(client, app, jsonBytes({ os: "windows" }))),
        mediaType: mediaTypes.dockerConfig,
      };
      foreign = imageBytes(
        windows,
        [
          {
            ...describeBytes(bytesFor(9), "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
            urls: ["https://example.com/base"],
          },
        ],
        { mediaType: mediaTypes.dockerManifest },
      );
      await pushBytes(client, app, foreign, tags("foreign"));
      client.close();
    });
    afterAll(async () => {
      await old.stop();
      await rm(folder, { recursive: true });
    });

    const importJson = async (...args: readonly string[]) => {
      const { exitCode, stdout } = await runBerth(["import", "--json", ...args]);
      const report = JSON.parse(stdout.trim().split("\n").at(-1) || "null");
      const faults: string[] = report.faults.map(
        ({ where, message }: Record<string, string>) => `${where}: ${message}`,
      );
      return { exitCode, faults: faults.toSorted() };
    };

    const refused = [
      expect.stringMatching(/^team\/app:ancient: .*in the old format schema 1/),
      expect.stringMatching(/^team\/app:sparse: .*sha256:/),
    ];

    async function expectRest(registry: Registry): Promise<void> {
      expect((await registry.listTags(app)).items).toEqual(tags("amd64", "foreign"));
      expect((await registry.getTag(app, parseTag("foreign"))).bytes).toEqual(foreign);
      expect((await registry.getTag(app, parseTag("amd64"))).bytes).toEqual(amd64.bytes);
      await expect(registry.resolveManifest(app, sparse.descriptor.digest)).rejects.toMatchObject({
        code: "MANIFEST_UNKNOWN",
      });
    }

    test("a data folder with schema 1, sparse indexes and foreign layers: the rest comes along, and what an index has left", async () => {
      const data = join(folder, "data");
      const { exitCode, faults } = await importJson(old.data, "--data", data);
      expect([exitCode, faults]).toEqual([1, refused]);
      const store = await openStore({ folder: data });
      await expectRest(store.registry);
      expect((await store.registry.getManifest(app, arm64.descriptor.digest)).bytes).toEqual(arm64.bytes);
      await store.close();
    });

    test("a running registry with them: the rest comes along", async () => {
      const berth = await startBerth();
      const { exitCode, faults } = await importJson(old.host, "--to", berth.host);
      expect([exitCode, faults]).toEqual([1, refused]);
      const client = createClient(berth.host);
      await expectRest(client);
      client.close();
      await berth.stop();
    });
  },
);
