import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdir, rm, truncate } from "node:fs/promises";
import { basename, join } from "node:path";
import { openArchive } from "../src/layout/archive/open.ts";
import { parseRepositoryName, parseTag } from "../src/oci/names.ts";
import { bytesFor, describeBytes, pushImage, pushIndex, tags } from "../src/registry/contract/fixtures.ts";
import { openStore, type Store } from "../src/store/store.ts";
import { runBerth } from "./fixtures/command-lines.ts";
import { makeTemporaryFolder } from "./fixtures/processes.ts";
import { startBerth } from "./fixtures/registries.ts";
import { blobFileOf, flipBit } from "./fixtures/stored-blobs.ts";

setDefaultTimeout(30_000);

const [app, web] = ["team/app", "team/web"].map(parseRepositoryName) as [
  ReturnType<typeof parseRepositoryName>,
  ReturnType<typeof parseRepositoryName>,
]; // as many as names

let folder: string;
let data: string;
beforeAll(async () => {
  folder = await makeTemporaryFolder();
  data = join(folder, "data");
  await withStore(data, async ({ registry }) => {
    for (const at of [app, web]) {
      await pushImage(registry, at, { layers: [bytesFor(1, 30_000)], config: { at }, tags: tags("1.0") });
      await pushImage(registry, at, {
        layers: [bytesFor(2, 30_000)],
        config: { at },
        tags: tags("1.1", "latest"),
      });
    }
  });
});
afterAll(() => rm(folder, { recursive: true }));

async function withStore<T>(path: string, act: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore({ folder: path });
  try {
    return await act(store);
  } finally {
    await store.close();
  }
}

async function run(...args: readonly string[]) {
  const { exitCode, stdout, stderr } = await runBerth([...args, "--json"], { cwd: folder });
  return { exitCode, stderr, result: JSON.parse(stdout.trim().split("\n").at(-1) || "null") };
}

/** Every tag of a data folder with its repository. */
const tagsIn = (path: string) =>
  withStore(path, async ({ registry }) => {
    const names = (await registry.listRepositories()).items;
    const listed = names.map(async (name) =>
      (await registry.listTags(name)).items.map((tag) => `${name}:${tag}`),
    );
    return (await Promise.all(listed)).flat();
  });

describe("berth export --data", () => {
  test("export writes what it writes from the server, whether that runs or not", async () => {
    const stopped = await run("export", "team/**", "--data", data, "-o", "stopped.tar");
    expect(stopped).toMatchObject({ exitCode: 0, stderr: "", result: { repositories: 2, manifests: 4 } });
    const server = await startBerth({ data });
    try {
      const beside = await run("export", "team/**", "--data", data, "-o", "beside.tar");
      const remote = await run("export", `${server.host}/team/**`, "-o", "remote.tar");
      for (const { exitCode, stderr, result } of [beside, remote]) {
        const { size: _size, file: _file, id: _id, ...counts } = result;
        expect([exitCode, stderr]).toEqual([0, ""]);
        expect(stopped.result).toMatchObject(counts);
      }
    } finally {
      await server.stop();
    }
    const documents = ["stopped.tar", "beside.tar", "remote.tar"].map(async (name) => {
      const bytes = await (await openArchive(join(folder, name))).readFile(".berth/export.json");
      return JSON.parse(new TextDecoder().decode(bytes)).repositories;
    });
    const [first, ...others] = await Promise.all(documents);
    for (const other of others) expect(other).toEqual(first);
    expect(first[0].history).toHaveLength(2);
    const to = join(folder, "imported");
    expect(await run("import", "stopped.tar", "--data", to)).toMatchObject({ exitCode: 0 });
    expect(await tagsIn(to)).toEqual(await tagsIn(data));
    expect((await run("verify", "--data", to)).exitCode).toBe(0);
    await withStore(data, async ({ metadata }) => {
      expect((await metadata.collection.backlog()).holds).toEqual([]);
    });
  });

  test("export says what is no data folder and no repository, and makes nothing", async () => {
    for (const [args, exitCode, message] of [
      [["team/app", "--data", join(folder, "nowhere")], 1, "there is no Berth's data"],
      [["UPPER", "--data", data], 2, "UPPER"],
      [["nobody/*", "--data", data], 1, "there is nothing to export"],
      [["team/none", "--data", data], 1, "team/none"],
    ] as const) {
      const result = await run("export", ...args, "-o", "x.tar");
      expect([args, result.exitCode, result.stderr]).toEqual([
        args,
        exitCode,
        expect.stringContaining(message),
      ]);
    }
    expect(await readdir(folder)).not.toContain("nowhere");
    expect(await readdir(folder)).not.toContain("x.tar");
  });
});

describe("berth export --since", () => {
  test("what is not looked at this time stays as it is where the archive is imported, and goes on later", async () => {
    const [from, to] = [join(folder, "part"), join(folder, "part-imported")];
    const push = (at: typeof app, tag: string) =>
      withStore(from, ({ registry }) => pushImage(registry, at, { config: { at, tag }, tags: tags(tag) }));
    for (const at of [app, web]) await push(at, "1");
    await run("export", "team/**", "--data", from, "-o", "all.tar");
    for (const at of [app, web]) await push(at, "2");
    await withStore(from, ({ registry }) => registry.deleteTag(web, parseTag("1")));
    await run("export", "team/app", "--data", from, "--since", "all.tar", "-o", "app.tar");
    for (const archive of ["all.tar", "app.tar"]) {
      expect(await run("import", archive, "--data", to)).toMatchObject({
        exitCode: 0,
        result: { faults: [] },
      });
    }
    expect(await tagsIn(to)).toEqual([`${app}:1`, `${app}:2`, `${web}:1`]);
    await run("export", "team/**", "--data", from, "--since", "app.tar", "-o", "rest.tar");
    expect(await run("import", "rest.tar", "--data", to)).toMatchObject({
      exitCode: 0,
      result: { faults: [] },
    });
    expect(await tagsIn(to)).toEqual(await tagsIn(from));
  });

  test("export does not replace the archive that has to be imported before", async () => {
    await run("export", "team/app", "--data", data, "-o", "first.tar");
    const before = await Bun.file(join(folder, "first.tar")).bytes();
    const again = ["export", "team/app", "--data", data, "--since", "first.tar", "-o", "./first.tar"];
    expect(await run(...again)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("would replace"),
    });
    expect(await Bun.file(join(folder, "first.tar")).bytes()).toEqual(before);
  });

  test("what changed can be asked of the same tags alone", async () => {
    const only = ["export", "team/app", "--data", data, "--tag", "1.*"];
    expect(await run(...only, "-o", "tags.tar")).toMatchObject({ exitCode: 0 });
    const other = await run("export", "team/app", "--data", data, "--since", "tags.tar", "-o", "x.tar");
    expect(other).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("give the same") });
    expect(await run(...only, "--since", "tags.tar", "-o", "same.tar")).toMatchObject({
      ...{ exitCode: 0, result: { manifests: 0, blobs: 0 } },
    });
    const to = join(folder, "tags-imported");
    for (const archive of ["tags.tar", "same.tar"]) {
      expect(await run("import", archive, "--data", to)).toMatchObject({ exitCode: 0 });
    }
    expect(await tagsIn(to)).toEqual([`${app}:1.0`, `${app}:1.1`]);
  });
});

describe("berth export of what is not whole", () => {
  /** A data folder with images, and a layer of one of them, of which no other has a part. */
  async function makeDamaged(name: string): Promise<{ readonly path: string; readonly layer: string }> {
    const path = join(folder, name);
    const layer = bytesFor(77, 40_000);
    await withStore(path, async ({ registry }) => {
      const whole = await pushImage(registry, app, { layers: [bytesFor(3, 30_000)], tags: tags("whole") });
      const broken = await pushImage(registry, app, {
        layers: [layer],
        config: { n: 1 },
        tags: tags("broken", "too"),
      });
      await pushIndex(registry, app, [whole.descriptor, broken.descriptor], { tags: tags("index") });
      await pushImage(registry, web, { layers: [bytesFor(4, 30_000)], config: { n: 2 }, tags: tags("1") });
    });
    return { path, layer: blobFileOf(path, describeBytes(layer).digest) };
  }

  test.each([
    ["lost", (file: string) => rm(file), "BLOB_UNKNOWN"],
    ["cut off", (file: string) => truncate(file, 10), "BLOB_UNKNOWN"],
    ["damaged", flipBit, "DIGEST_INVALID"],
  ] as const)(
    "export leaves out what needs a layer that is %s, and the next one brings it",
    async (what, harm, code) => {
      const { path, layer } = await makeDamaged(`layer-${what}`);
      const good = await Bun.file(layer).bytes();
      await harm(layer);
      const [one, two] = [join(folder, `${what}-1.tar`), join(folder, `${what}-2.tar`)];
      const exported = await run("export", "team/**", "--data", path, "-o", one);
      expect(exported.exitCode).toBe(1);
      expect(exported.result).toMatchObject({ repositories: 2, manifests: 2, faults: [{ code }] });
      expect(exported.result.leftOut.sort()).toEqual(
        ["broken", "index", "too"].map((tag) => `team/app:${tag}`),
      );
      expect(exported.stderr).toContain(basename(layer));

      const to = join(folder, `${what}-to`);
      expect(await run("import", one, "--data", to)).toMatchObject({ exitCode: 0, result: { faults: [] } });
      expect(await tagsIn(to)).toEqual([`${app}:whole`, `${web}:1`]);
      await Bun.write(layer, good);
      const rest = await run("export", "team/**", "--data", path, "--since", one, "-o", two);
      expect(rest).toMatchObject({ exitCode: 0, result: { manifests: 2, leftOut: [] } });
      expect(await run("import", two, "--data", to)).toMatchObject({ exitCode: 0, result: { faults: [] } });
      expect(await tagsIn(to)).toEqual(await tagsIn(path));
      expect((await run("verify", "--data", to)).exitCode).toBe(0);
      const [from, there] = [path, to].map((each) =>
        withStore(each, async ({ metadata }) =>
          (await metadata.listTagPeriods(app, parseTag("broken"), { skip: 0, limit: 9 })).map(
            (period) => period.from,
          ),
        ),
      );
      expect(await there).toEqual((await from) ?? []);
    },
  );

  test("export leaves out an image whose manifest is damaged, from a server too", async () => {
    const { path } = await makeDamaged("manifest");
    {
      using db = new Database(join(path, "metadata.db"));
      db.run("UPDATE manifests SET bytes = CAST('{}' AS BLOB) WHERE id = 1");
    }
    const server = await startBerth({ data: path });
    try {
      for (const args of [["team/**", "--data", path], [`${server.host}/team/**`]]) {
        const { exitCode, result } = await run("export", ...args, "-o", join(folder, "manifest.tar"));
        expect([exitCode, result.manifests, result.leftOut.sort()]).toEqual([
          ...[1, 2],
          ["team/app:index", "team/app:whole"],
        ]);
      }
    } finally {
      await server.stop();
    }
  });
});
