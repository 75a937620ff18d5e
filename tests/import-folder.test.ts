import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import {
  chown,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { createClient } from "../src/client/client.ts";
import type { Digest } from "../src/oci/digests.ts";
import { parseRepositoryName, parseTag } from "../src/oci/names.ts";
import { bytesFor, pushImage } from "../src/registry/contract/fixtures.ts";
import { digestOf } from "../src/registry/hash.ts";
import { openStore, type Store } from "../src/store/store.ts";
import { berthProgram, runBerth } from "./fixtures/command-lines.ts";
import { type ContainerTools, makeContainerTools } from "./fixtures/container-tools.ts";
import { inventory } from "./fixtures/folders.ts";
import { writeLayout } from "./fixtures/layouts.ts";
import { makeTemporaryFolder, startProcess } from "./fixtures/processes.ts";
import { type RunningRegistry, startBerth, startDockerRegistry } from "./fixtures/registries.ts";
import { isAvailable } from "./programs.ts";

setDefaultTimeout(60_000);

const app = parseRepositoryName("team/app");
const other = parseRepositoryName("other");
const tag = parseTag;
const large = 60_000;

/** What was pushed to the old registry: digests by what they are. */
interface Pushed {
  readonly index: string;
  readonly image: string;
  readonly referrer: string;
  readonly untagged: string;
  readonly shared: string;
}

describe.skipIf(!isAvailable("docker-registry", "skopeo"))("berth import of a data folder", () => {
  let folder: string;
  let old: RunningRegistry;
  let tools: ContainerTools;
  let pushed: Pushed;
  let source: string;

  beforeAll(async () => {
    folder = await makeTemporaryFolder();
    old = await startDockerRegistry();
    tools = await makeContainerTools([old.host]);
    pushed = await fill();
    source = old.data;
  });
  afterAll(async () => {
    await old.stop();
    await tools.remove();
    await rm(folder, { recursive: true });
  });

  /** An index, a referrer, two tags on one digest, a deleted tag, and a manifest that lost its tag. */
  async function fill(): Promise<Pushed> {
    const layout = join(folder, "layout");
    const index = await writeLayout({
      folder: layout,
      seed: "multi",
      layers: [100, large],
      platforms: ["linux/amd64", "linux/arm64"],
    });
    const to = (name: string) => `docker://${old.host}/${name}`;
    await tools.skopeo(
      "copy",
      "--all",
      "--dest-tls-verify=false",
      `oci:${layout}:latest`,
      to("team/app:multi"),
    );
    await tools.skopeo(
      "copy",
      "--all",
      "--dest-tls-verify=false",
      `oci:${layout}:latest`,
      to("team/app:latest"),
    );
    const client = createClient(old.host);
    const layers = [bytesFor(1, large), bytesFor(2, 500)];
    const image = await pushImage(client, app, { layers, tags: [tag("1.0")] });
    const gone = await pushImage(client, app, { layers: [bytesFor(3)], tags: [tag("1.1")] });
    await pushImage(client, app, { layers: [bytesFor(4)], tags: [tag("1.1")] });
    const referrer = await pushImage(client, app, {
      layers: [bytesFor(5)],
      subject: image.descriptor,
      artifactType: "application/x.signature",
    });
    const shared = await pushImage(client, other, { layers, config: { other: true }, tags: [tag("1")] });
    await pushImage(client, other, { layers, config: { deleted: true }, tags: [tag("deleted")] });
    await rm(join(old.data, "docker/registry/v2/repositories/other/_manifests/tags/deleted"), {
      recursive: true,
    });
    client.close();
    return {
      index,
      image: image.descriptor.digest,
      referrer: referrer.descriptor.digest,
      untagged: gone.descriptor.digest,
      shared: shared.descriptor.digest,
    };
  }

  test("import takes tags, indexes, referrers and what has no tag; real clients pull the same digests", async () => {
    const data = join(folder, "data");
    const before = await inventory(source);
    const result = await runBerth(["import", source, "--data", data]);
    expect(result).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await inventory(source)).toEqual(before);
    const berth = await startBerth({ data });
    try {
      const inspect = (name: string) =>
        tools.skopeo(
          "inspect",
          "--tls-verify=false",
          "--format",
          "{{.Digest}}",
          `docker://${berth.host}/${name}`,
        );
      for (const name of ["team/app:1.0", "team/app:latest", "team/app:multi", "other:1"]) {
        const was = await tools.skopeo(
          "inspect",
          "--tls-verify=false",
          "--format",
          "{{.Digest}}",
          `docker://${old.host}/${name}`,
        );
        expect([name, await inspect(name)]).toEqual([name, was]);
      }
      expect(await inspect("team/app:multi")).toBe(pushed.index);
      const pulled = join(folder, "pulled");
      await tools.skopeo(
        "copy",
        "--all",
        "--src-tls-verify=false",
        `docker://${berth.host}/team/app:multi`,
        `dir:${pulled}`,
      );
      const client = createClient(berth.host);
      const { mtime } = await stat(
        join(source, "docker/registry/v2/repositories/team/app/_manifests/tags/1.0/current/link"),
      );
      const log = await runBerth(["tags", "log", "--json", `${berth.host}/team/app:1.0`]);
      expect(JSON.parse(log.stdout)).toMatchObject({
        from: mtime.toISOString(),
        actor: "import",
        cause: "push",
      });
      expect((await client.listTags(app)).items).toEqual((await createClient(old.host).listTags(app)).items);
      expect((await client.listTags(other)).items).toEqual([tag("1")]);
      if (isAvailable("podman")) {
        await tools.podman("pull", "--quiet", "--tls-verify=false", `${berth.host}/team/app:multi`);
      }
      await client.resolveManifest(app, pushed.untagged as Digest);
      const referrers = await client.listReferrers(app, pushed.image as Digest);
      expect(referrers.items.map(({ digest }) => String(digest))).toEqual([pushed.referrer]);
      client.close();
    } finally {
      await berth.stop();
    }
  });

  /** A copy of the old registry's data to be spoiled. */
  async function copyOfSource(name: string): Promise<string> {
    const copied = join(folder, name);
    await cp(source, copied, { recursive: true, preserveTimestamps: true });
    return copied;
  }

  const importJson = async (...args: readonly string[]) => {
    const { exitCode, stdout, stderr } = await runBerth(["import", "--json", ...args]);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line || "null"));
    return { exitCode, stderr, report: lines.at(-1) };
  };

  test("import makes hard links that take no room, verified or trusted, or copies where that is asked for", async () => {
    for (const [name, args, how] of [
      ["linked", [], "linked"],
      ["trusted", ["--trust-digests"], "linked"],
      ["copied", ["--copy"], "copied"],
    ] as const) {
      const data = join(folder, name);
      const { exitCode, report } = await importJson(source, "--data", data, ...args);
      expect(exitCode).toBe(0);
      expect(report.files[how].blobs).toBe(3);
      const ofSource = await inodesOf(source);
      const shared = [...(await inodesOf(join(data, "blobs")))].filter((ino) => ofSource.has(ino));
      expect([name, shared.length]).toEqual([name, how === "linked" ? 3 : 0]);
      expect(await readdir(join(data, "uploads"))).toEqual([]);
    }
  });

  test.skipIf(!existsSync("/dev/shm"))("import copies where no hard link can be made", async () => {
    const far = await mkdtemp("/dev/shm/berth-");
    const begun = new Date();
    try {
      const { exitCode, report } = await importJson(source, "--data", join(far, "data"));
      expect(exitCode).toBe(0);
      expect(report.files).toMatchObject({ linked: { blobs: 0 }, copied: { blobs: 3 } });
      await withStore(join(far, "data"), async ({ registry, metadata }) => {
        await registry.resolveTag(app, tag("multi"));
        const [entry] = await metadata.audit.list({}, undefined, 1);
        expect(entry).toMatchObject({ action: "import", actor: "owner of the machine", detail: source });
        for (const { since, arrived } of await metadata.listRetentionTags(app))
          expect([since < begun, arrived >= begun]).toEqual([true, true]);
      });
    } finally {
      await rm(far, { recursive: true });
    }
  });

  test.skipIf(process.getuid?.() !== 0)(
    "import refuses to write as root into another user's data",
    async () => {
      const data = join(folder, "foreign");
      await mkdir(data);
      await chown(data, 12345, 12345);
      const { exitCode, stderr } = await runBerth(["import", source, "--data", data]);
      expect([exitCode, stderr]).toEqual([2, expect.stringContaining("belongs to user 12345")]);
      expect(await readdir(data)).toEqual([]);
    },
  );

  test("import moves nothing again when it runs again, and finds what came meanwhile", async () => {
    const data = join(folder, "again");
    await importJson(source, "--data", data, "--repository", "team/*");
    const { exitCode, report } = await importJson(source, "--data", data);
    expect(exitCode).toBe(0);
    expect(report).toMatchObject({ repositories: 2, tags: { new: 1, moved: 0, failed: 0 }, manifests: 2 });
    const last = await importJson(source, "--data", data);
    expect(last.report).toMatchObject({
      tags: { new: 0, moved: 0 },
      manifests: 0,
      blobs: { sent: 0, mounted: 0 },
    });
  });

  test("import beside pushes to the old registry takes what is whole, and the rest the next time", async () => {
    const data = join(folder, "beside");
    const busy = parseRepositoryName("busy");
    const client = createClient(old.host);
    let isPushing = true;
    const pushing = (async () => {
      for (let version = 0; version < 20; version++) {
        const layers = [bytesFor(100 + version, large)];
        await pushImage(client, busy, {
          layers,
          config: { version },
          tags: [tag(`v${version}`), tag("moving")],
        });
      }
      isPushing = false;
    })();
    let runs = 0;
    for (; isPushing; runs++) {
      const { report } = await importJson(source, "--data", data, "--repository", "busy");
      for (const { where, message } of report.faults) {
        expect(`${where}: ${message}`).toMatch(
          /^busy.*: (.* is missing in the source|.* is damaged in the source|busy has no|there is no such)/,
        );
      }
    }
    await pushing;
    expect(runs).toBeGreaterThan(1);
    const { exitCode, report } = await importJson(source, "--data", data, "--repository", "busy");
    expect([exitCode, report.faults]).toEqual([0, []]);
    await withStore(data, async ({ registry }) => {
      const names = (await client.listTags(busy)).items;
      expect((await registry.listTags(busy)).items).toEqual(names);
      for (const name of names) {
        expect((await registry.getTag(busy, name)).bytes).toEqual((await client.getTag(busy, name)).bytes);
      }
    });
    client.close();
    expect(await runBerth(["verify", "--data", data])).toMatchObject({ exitCode: 0 });
    await rm(join(source, "docker/registry/v2/repositories/busy"), { recursive: true });
  });

  test("import brings a data folder into a registry on another machine too", async () => {
    const berth = await startBerth();
    try {
      const { exitCode, report } = await importJson(source, "--to", berth.host);
      expect(exitCode).toBe(0);
      expect(report).toMatchObject({ repositories: 2, tags: { new: 6 }, faults: [] });
      const client = createClient(berth.host);
      await client.resolveManifest(app, pushed.untagged as Digest); // it is one
      expect((await client.resolveTag(app, tag("multi"))).digest).toBe(pushed.index as Digest);
      client.close();
    } finally {
      await berth.stop();
    }
  });

  test("import that is killed leaves nothing that keeps the next one from going on", async () => {
    const data = join(folder, "killed");
    for (const afterMs of [100, 250, 400]) {
      const running = startProcess(process.execPath, [berthProgram, "import", source, "--data", data]);
      await Promise.race([running.exited, Bun.sleep(afterMs)]);
      await running.stop("SIGKILL");
    }
    expect(await importJson(source, "--data", data)).toMatchObject({ exitCode: 0, report: { faults: [] } });
    await withStore(data, async ({ registry }) => {
      for (const repository of [app, other]) {
        for (const name of (await registry.listTags(repository)).items)
          await registry.resolveTag(repository, name);
      }
      expect((await registry.listTags(app)).items).toHaveLength(5);
    });
    expect(await runBerth(["verify", "--data", data])).toMatchObject({ exitCode: 0 });
  });

  test("import takes what patterns choose, with what refers to it, under a prefix", async () => {
    const data = join(folder, "chosen");
    const args = ["--data", data, "--repository", "team/**", "--tag", "1.0", "--prefix", "old"];
    const { exitCode, report } = await importJson(source, ...args);
    expect(exitCode).toBe(0);
    expect(report.repositories).toBe(1);
    await withStore(data, async ({ registry }) => {
      const moved = parseRepositoryName("old/team/app");
      const { items } = await registry.listTags(moved);
      expect(items.filter((name) => !name.startsWith("sha256-"))).toEqual([tag("1.0")]);
      const referrers = await registry.listReferrers(moved, pushed.image as Digest); // it is one
      expect(referrers.items.map(({ digest }) => String(digest))).toEqual([pushed.referrer]);
      await expect(registry.resolveManifest(moved, pushed.untagged as Digest)).rejects.toThrow("no manifest");
    });
  });

  test("import says which of the repositories that are named are not there", async () => {
    const args = ["--data", join(folder, "named"), "--repository", "other", "--repository", "team/nowhere"];
    const { exitCode, report } = await importJson(source, ...args, "--dry-run");
    expect(exitCode).toBe(1);
    expect(report).toMatchObject({ repositories: 1, tags: { new: 1 } });
    expect(report.faults).toEqual([
      { where: "team/nowhere", code: "NAME_UNKNOWN", message: `there is no such repository in ${source}` },
    ]);
  });

  test("import follows links to folders of repositories, names those that lead nowhere, and walks in no circles", async () => {
    const linked = await copyOfSource("with-links");
    const repositories = join(linked, "docker/registry/v2/repositories");
    await rename(join(repositories, "other"), join(folder, "elsewhere"));
    await symlink(join(folder, "elsewhere"), join(repositories, "other"));
    await symlink(join(folder, "nowhere"), join(repositories, "gone"));
    await symlink("..", join(repositories, "team/circle"));
    const { exitCode, report } = await importJson(linked, "--data", join(folder, "linked-data"), "--dry-run");
    expect(exitCode).toBe(1);
    expect(report).toMatchObject({ repositories: 2, tags: { new: 6 } });
    expect(report.faults).toMatchObject([{ where: "gone", message: expect.stringContaining("gone") }]);
  });

  test("import --dry-run writes nothing and says what would be imported", async () => {
    const data = join(folder, "dry");
    const { exitCode, report } = await importJson(source, "--data", data, "--dry-run");
    expect(exitCode).toBe(0);
    expect(report).toMatchObject({ dryRun: true, repositories: 2, tags: { new: 6 }, manifests: 0 });
    expect(existsSync(data)).toBe(false);
  });

  test("import reports what is damaged, does the rest, and goes on when it is mended", async () => {
    const spoiled = await copyOfSource("spoiled");
    const blobs = join(spoiled, "docker/registry/v2/blobs/sha256");
    const fileOf = (digest: string) => join(blobs, digest.slice(7, 9), digest.slice(7), "data");
    const layers = await layersOf(pushed.index, fileOf);
    const [missing = "", changed = ""] = layers;
    const kept = await readFile(fileOf(missing));
    await rm(fileOf(missing));
    const bytes = await readFile(fileOf(changed));
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    await writeFile(fileOf(changed), bytes);
    await truncate(fileOf(digestOf(bytesFor(1, large))), large - 1);
    const tags = join(spoiled, "docker/registry/v2/repositories/other/_manifests/tags");
    await mkdir(join(tags, "empty/current"), { recursive: true });
    await writeFile(join(tags, "empty/current/link"), "");
    await mkdir(join(spoiled, "docker/registry/v2/repositories/Not A Name/_manifests"), { recursive: true });
    const old = {
      schemaVersion: 1,
      name: "other",
      tag: "ancient",
      fsLayers: [],
      history: [],
      signatures: [],
    };
    await addManifest(spoiled, "other", "ancient", JSON.stringify(old));

    const data = join(folder, "spoiled-data");
    const { exitCode, report } = await importJson(spoiled, "--data", data);
    expect(exitCode).toBe(1);
    const said = report.faults
      .map(({ where, message }: Record<string, string>) => `${where}: ${message}`)
      .join("\n");
    expect(said).toContain(`the blob ${missing} of team/app is missing in the source`);
    expect(said).toMatch(/is damaged: its bytes have the digest/);
    expect(said).toMatch(/is cut off: it has 59999 bytes/);
    expect(said).toContain("the tag empty of other is damaged in the source");
    expect(said).toContain('"Not A Name" is no name of a repository');
    expect(said).toMatch(/other:ancient: this image is in the old format schema 1/);
    await withStore(data, async ({ registry }) => {
      expect((await registry.listTags(app)).items).toContain(tag("1.1"));
      await expect(registry.resolveTag(app, tag("multi"))).rejects.toThrow("no tag");
    });

    await writeFile(fileOf(missing), kept);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    await writeFile(fileOf(changed), bytes);
    const mended = await importJson(
      spoiled,
      "--data",
      data,
      "--repository",
      "team/*",
      "--tag",
      "multi",
      "--tag",
      "latest",
    );
    expect(mended).toMatchObject({ exitCode: 0, report: { tags: { new: 2 } } });
  });

  test("import says what a folder is that is none, or half of one, or in the data folder", async () => {
    const half = join(folder, "half");
    await mkdir(join(half, "docker/registry/v2/repositories"), { recursive: true });
    await Bun.write(join(folder, "ours", "metadata.db"), "");
    for (const [args, exitCode, message] of [
      [
        [half],
        1,
        "or half of one: expected docker/registry/v2/repositories and docker/registry/v2/blobs in it",
      ],
      [[join(folder, "pulled")], 1, "is neither the data of a CNCF registry"],
      [[join(folder, "ours")], 1, "is the data of a Berth: export what is wanted of it"],
      [["./nowhere"], 2, "there is no file or folder"],
      [[source, "--data", join(source, "berth")], 2, "are in each other"],
      [[source, "--data", "a", "--to", "localhost:1"], 2, "two destinations"],
      [[source, "--to", "localhost:1", "--copy"], 2, "--copy goes with --data"],
    ] as const) {
      const result = await runBerth(["import", ...args], { cwd: folder });
      expect([exitCode, result.stderr]).toEqual([result.exitCode, expect.stringContaining(message)]);
    }
  });
});

/** The larger layers of an index's images. */
async function layersOf(index: string, fileOf: (digest: string) => string): Promise<readonly string[]> {
  const layers: string[] = [];
  for (const { digest } of JSON.parse(await readFile(fileOf(index), "utf8")).manifests) {
    const image = JSON.parse(await readFile(fileOf(digest), "utf8"));
    layers.push(image.layers.at(-1).digest);
  }
  return layers;
}

/** Puts a manifest into a registry's folder, as that registry would. */
async function addManifest(folder: string, repository: string, name: string, content: string): Promise<void> {
  const digest = digestOf(new TextEncoder().encode(content));
  const encoded = digest.slice(7);
  const root = join(folder, "docker/registry/v2");
  const manifests = join(root, "repositories", repository, "_manifests");
  for (const [path, text] of [
    [join(root, "blobs/sha256", encoded.slice(0, 2), encoded, "data"), content],
    [join(manifests, "revisions/sha256", encoded, "link"), digest],
    [join(manifests, "tags", name, "current/link"), digest],
  ] as const) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
}

async function withStore(folder: string, act: (store: Store) => Promise<void>): Promise<void> {
  const store = await openStore({ folder });
  try {
    await act(store);
  } finally {
    await store.close();
  }
}

async function inodesOf(folder: string): Promise<ReadonlySet<number>> {
  const names = await readdir(folder, { recursive: true });
  const found = await Promise.all(names.map((name) => stat(join(folder, name))));
  return new Set(found.filter((each) => each.isFile()).map(({ ino }) => ino));
}
