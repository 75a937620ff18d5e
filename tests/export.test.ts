import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Client, createClient } from "../src/client/client.ts";
import type { Digest } from "../src/oci/digests.ts";
import { parseRepositoryName, parseTag, type RepositoryName } from "../src/oci/names.ts";
import { bytesFor, describeBytes, pushImage, pushIndex, tags } from "../src/registry/contract/fixtures.ts";
import { createMemoryRegistry } from "../src/registry/memory.ts";
import { openStore } from "../src/store/store.ts";
import { keepNothing } from "./fixtures/collections.ts";
import { runBerth } from "./fixtures/command-lines.ts";
import { makeContainerTools } from "./fixtures/container-tools.ts";
import { makeTemporaryFolder, succeed } from "./fixtures/processes.ts";
import { type RunningRegistry, startBerth } from "./fixtures/registries.ts";
import { serveRegistry } from "./fixtures/served-registry.ts";
import { isAvailable } from "./programs.ts";

setDefaultTimeout(30_000);

const [app, web, late] = ["team/app", "team/web", "team/late"].map(parseRepositoryName) as [
  RepositoryName,
  RepositoryName,
  RepositoryName,
]; // as many as names

let folder: string;
let source: RunningRegistry;
let from: Client;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  source = await startBerth();
  from = createClient(source.host);
});
afterAll(async () => {
  from.close();
  await source.stop();
  await rm(folder, { recursive: true });
});

async function withBerth(act: (berth: RunningRegistry, client: Client) => Promise<void>): Promise<void> {
  const berth = await startBerth();
  const client = createClient(berth.host);
  try {
    await act(berth, client);
  } finally {
    client.close();
    await berth.stop();
  }
}

async function run(...args: readonly string[]) {
  const { exitCode, stdout, stderr } = await runBerth([...args, "--json"], { cwd: folder });
  return { exitCode, stderr, result: JSON.parse(stdout.trim().split("\n").at(-1) || "null") };
}

const importInto = (berth: RunningRegistry, ...args: readonly string[]) =>
  run("import", ...args, "--to", berth.host);

/** All that people see of a repository: tags, digests, referrers, and where tags pointed, when, by whom and why. */
async function stateOf({ host }: { readonly host: string }, client: Client, subjects: readonly Digest[]) {
  const repositories: Record<string, unknown> = {};
  for (const repository of (await client.listRepositories()).items) {
    const names = (await client.listTags(repository)).items;
    const points = names.map(async (tag) => {
      const log = await runBerth(["tags", "log", "--json", `${host}/${repository}:${tag}`]);
      const periods = log.stdout
        .trim()
        .split("\n")
        .map((line) => withoutIds(JSON.parse(line)));
      return [tag, (await client.resolveTag(repository, tag)).digest, periods];
    });
    const referrers = subjects.map(
      async (subject) => (await client.listReferrers(repository, subject)).items,
    );
    repositories[repository] = { tags: await Promise.all(points), referrers: await Promise.all(referrers) };
  }
  return repositories;
}

/** Numbers of changes are each store's own. */
function withoutIds(period: Record<string, unknown>): Record<string, unknown> {
  const { change: _change, ended, ...rest } = period;
  if (!ended) return rest;
  const { change: _ended, ...end } = ended as Record<string, unknown>; // as the API describes it
  return { ...rest, ended: end };
}

async function fill() {
  const shared = bytesFor(1, 80_000);
  const first = await pushImage(from, app, {
    layers: [shared],
    config: { n: 1 },
    tags: tags("latest", "1.0"),
  });
  const second = await pushImage(from, app, { layers: [shared, bytesFor(2)], tags: tags("latest", "1.1") });
  const index = await pushIndex(from, app, [first.descriptor, second.descriptor], { tags: tags("multi") });
  const referrer = await pushImage(from, app, {
    layers: [bytesFor(3)],
    subject: index.descriptor,
    artifactType: "application/x.sbom",
  });
  await pushImage(from, web, { layers: [shared, bytesFor(4)], tags: tags("1", "gone") });
  await from.deleteTag(web, parseTag("gone"));
  return { shared, first, second, index, referrer };
}

describe("berth export and import", () => {
  test("an archive brings repositories with tags, referrers and history, and a later one what changed since", async () => {
    const { shared, first, second, index } = await fill();
    const subjects = [index.descriptor.digest, second.descriptor.digest];
    const all = `${source.host}/team/**`;
    const exported = await run("export", all, "-o", "one.tar");
    expect(exported).toMatchObject({ exitCode: 0, stderr: "", result: { repositories: 2, manifests: 5 } });

    await withBerth(async (berth, client) => {
      const imported = await importInto(berth, "one.tar");
      expect(imported).toMatchObject({ exitCode: 0, result: { repositories: 2, notes: [], faults: [] } });
      expect(await stateOf(berth, client, subjects)).toEqual(await stateOf(source, from, subjects));

      const third = await pushImage(from, app, {
        layers: [shared, bytesFor(5)],
        tags: tags("latest", "1.2"),
      });
      await pushImage(from, app, { layers: [bytesFor(6)], subject: third.descriptor });
      await from.deleteManifest(app, index.descriptor.digest);
      await from.deleteTag(app, parseTag("1.0"));
      await from.deleteManifest(app, first.descriptor.digest);
      await pushImage(from, late, { layers: [shared], config: { late: true }, tags: tags("1") });
      const later = await run("export", all, "--since", "one.tar", "-o", "two.tar");
      expect(later).toMatchObject({ exitCode: 0, result: { manifests: 3, blobs: 3 } });
      const sizes = await Promise.all(["one.tar", "two.tar"].map((name) => stat(join(folder, name))));
      expect(sizes[1]?.size).toBeLessThan((sizes[0]?.size ?? 0) / 2);

      const brought = await importInto(berth, "two.tar");
      expect(brought).toMatchObject({ exitCode: 0, result: { notes: [], faults: [], removed: 2 } });
      const now = [...subjects, third.descriptor.digest];
      expect(await stateOf(berth, client, now)).toEqual(await stateOf(source, from, now));
      for (const { digest } of [index.descriptor, first.descriptor]) {
        await expect(client.resolveManifest(app, digest)).rejects.toThrow("no manifest");
      }
      const again = await importInto(berth, "two.tar");
      expect(again).toMatchObject({
        exitCode: 0,
        result: { tags: { new: 0, moved: 0 }, manifests: 0, bytes: 0 },
      });
      expect(await stateOf(berth, client, now)).toEqual(await stateOf(source, from, now));
    });

    await withBerth(async (berth) => {
      await run("export", all, "--since", "two.tar", "-o", "three.tar");
      const empty = await importInto(berth, "three.tar", "--repository", "team/app");
      expect(empty.result.faults[0]?.message).toMatch(
        /there is no repository team\/app .*import that one first$/,
      );
      const early = await importInto(berth, "two.tar", "--repository", "team/app");
      expect(early.exitCode).toBe(1);
      const said = early.result.faults.map(({ message }: { readonly message: string }) => message).join("\n");
      expect(said).toContain("import that one first");
      const mended = [await importInto(berth, "one.tar"), await importInto(berth, "two.tar")];
      expect(mended.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    });
  });

  test("an archive goes into a data folder with its history too, and says where history cannot be carried", async () => {
    const kept = parseRepositoryName("kept/app");
    const image = await pushImage(from, kept, { layers: [bytesFor(7)], tags: tags("1") });
    await pushImage(from, kept, { layers: [bytesFor(8)], tags: tags("1") });
    await run("export", `${source.host}/kept/app`, "-o", "kept.tar");
    const data = join(folder, "data");
    expect(await run("import", "kept.tar", "--data", data)).toMatchObject({
      exitCode: 0,
      result: { notes: [] },
    });
    const berth = await startBerth({ data });
    try {
      const log = await runBerth(["tags", "log", "--json", `${berth.host}/kept/app:1`]);
      expect(log.stdout.trim().split("\n")).toHaveLength(2);
      expect(log.stdout).toContain(image.descriptor.digest);
    } finally {
      await berth.stop();
    }
    const other = await serveRegistry();
    try {
      const { exitCode, result } = await run("import", "kept.tar", "--to", other.host);
      expect(exitCode).toBe(0);
      expect(result).toMatchObject({ tags: { new: 1 }, faults: [] });
      expect(result.notes.join()).toContain("the history of tags stayed behind");
    } finally {
      await other.stop();
    }
  });

  test("a later archive has blobs again that were collected where the ones before it were imported", async () => {
    const [one, two] = ["again/one", "again/two"].map(parseRepositoryName) as [
      RepositoryName,
      RepositoryName,
    ]; // as many
    const [layer, other] = [bytesFor(21, 30_000), bytesFor(22, 30_000)];
    const first = await pushImage(from, one, { layers: [layer], config: { n: 1 }, tags: tags("1") });
    await pushImage(from, one, { layers: [bytesFor(23)], config: { n: 2 }, tags: tags("2") });
    const alone = await pushImage(from, two, { layers: [other], config: { n: 3 }, tags: tags("1") });
    const all = `${source.host}/again/**`;
    await run("export", all, "-o", "mon.tar");
    await from.deleteManifest(one, first.descriptor.digest);
    await from.deleteManifest(two, alone.descriptor.digest);
    await run("export", all, "--since", "mon.tar", "-o", "tue.tar");
    const data = join(folder, "collected");
    for (const archive of ["mon.tar", "tue.tar"]) {
      const { exitCode, result } = await run("import", archive, "--data", data);
      expect([archive, exitCode, result.faults]).toEqual([archive, 0, []]);
    }
    const store = await openStore({ folder: data, keep: keepNothing });
    try {
      const { collection } = store.metadata;
      const { id } = await collection.startRun({ actor: "test", graceMs: 0, slot: 0 });
      const later = { now: Date.now() + 30 * 86_400_000, graceMs: 0 }; // days after the import
      while ((await collection.collect(id, later)).more);
      await collection.endRun(id, "done");
      for (const [repository, bytes] of [
        [one, layer],
        [two, other],
      ] as const) {
        const found = store.registry.resolveBlob(repository, describeBytes(bytes).digest);
        await expect(found).rejects.toThrow("has no blob");
      }
    } finally {
      await store.close();
    }
    await pushImage(from, one, { layers: [layer], config: { n: 4 }, tags: tags("4") });
    await pushImage(from, two, { layers: [other], config: { n: 5 }, tags: tags("5") });
    await run("export", all, "--since", "tue.tar", "-o", "wed.tar");
    const { exitCode, result } = await run("import", "wed.tar", "--data", data);
    expect([exitCode, result.faults]).toEqual([0, []]);
  });

  test("an archive of a registry that keeps no history has its tags, and says so", async () => {
    const memory = createMemoryRegistry();
    await pushImage(memory, web, { tags: tags("1", "2") });
    const other = await serveRegistry(() => memory);
    try {
      const exported = await run("export", `${other.host}/team/web`, "--tag", "1", "-o", "plain.tar");
      expect(exported).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("no history of tags") });
      await withBerth(async (berth, client) => {
        expect(await importInto(berth, "plain.tar", "--prefix", "from")).toMatchObject({ exitCode: 0 });
        expect((await client.listTags(parseRepositoryName("from/team/web"))).items).toEqual(tags("1"));
      });
    } finally {
      await other.stop();
    }
  });

  test.skipIf(!isAvailable("skopeo"))(
    "other programs read an archive as the image layout that it is",
    async () => {
      const tools = await makeContainerTools([source.host]);
      try {
        await pushImage(from, parseRepositoryName("plain/app"), { tags: tags("1") });
        await run("export", `${source.host}/plain/app`, "-o", "plain-app.tar");
        const name = `${source.host}/plain/app:1`;
        const unpacked = join(folder, "unpacked");
        await succeed("mkdir", [unpacked]);
        await succeed("tar", ["-xf", join(folder, "plain-app.tar"), "-C", unpacked]);
        const digest = await tools.skopeo("inspect", "--format", "{{.Digest}}", `oci:${unpacked}:${name}`);
        const { digest: expected } = await from.resolveTag(parseRepositoryName("plain/app"), parseTag("1"));
        expect(digest).toBe(expected);
      } finally {
        await tools.remove();
      }
    },
  );

  test("export says what is wrong with what it is asked for", async () => {
    for (const [args, exitCode, message] of [
      [[`${source.host}/team/app`], 2, "use --output"],
      [[source.host, "-o", "x.tar"], 2, "is no repository of a registry"],
      [[`${source.host}/team/app`, "-o", folder], 2, "is a folder: name a file"],
      [["team/**", "-o", "x.tar"], 2, 'berth: "team/**" names no registry: put it before'],
      [[`${source.host}/nobody/here`, "-o", "x.tar"], 1, "nobody/here"],
      [[`${source.host}/nobody/*`, "-o", "x.tar"], 1, "nothing to export"],
      [[`${source.host}/team/app`, "-o", "x.tar", "--since", "nowhere.tar"], 1, "no such file"],
    ] as const) {
      const result = await runBerth(["export", ...args], { cwd: folder });
      expect([result.exitCode, result.stderr]).toEqual([exitCode, expect.stringContaining(message)]);
    }
  });
});
