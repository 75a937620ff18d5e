import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, chown, cp, mkdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "../src/client/client.ts";
import { parseRepositoryName, type RepositoryName } from "../src/oci/names.ts";
import { bytesFor, type PushedManifest, pushImage, tags } from "../src/registry/contract/fixtures.ts";
import { berthProgram, runBerth } from "./fixtures/command-lines.ts";
import { mayMount } from "./fixtures/disks.ts";
import { seededRandom, startFaultyProxy } from "./fixtures/faulty-proxy.ts";
import { writeLayout } from "./fixtures/layouts.ts";
import { attempt, type CommandResult, makeTemporaryFolder, succeed } from "./fixtures/processes.ts";
import { type RunningRegistry, startBerth, startDockerRegistry } from "./fixtures/registries.ts";
import { flipBit } from "./fixtures/stored-blobs.ts";
import { isAvailable } from "./programs.ts";

setDefaultTimeout(30_000);

const [app, closed, other] = ["team/app", "team/closed", "other"].map(parseRepositoryName) as [
  RepositoryName,
  RepositoryName,
  RepositoryName,
]; // as many as names
const large = 600_000;
/** Nobody's, and no file here is owned by it. */
const stranger = 54_321;

let folder: string;
beforeAll(async () => {
  folder = await makeTemporaryFolder();
  await chmod(folder, 0o755);
});
afterAll(() => rm(folder, { recursive: true }));

async function importJson(...args: readonly string[]) {
  return readReport(await runBerth(["import", "--json", ...args], { cwd: folder }));
}

/** Runs `berth import` as a user who is not root. */
async function importAsStranger(home: string, ...args: readonly string[]) {
  const as = [`--reuid=${stranger}`, `--regid=${stranger}`, "--clear-groups"];
  const command = [process.execPath, berthProgram, "import", "--json", ...args];
  const env = { HOME: home, TMPDIR: home };
  return readReport(await attempt("setpriv", [...as, ...command], { cwd: home, env }));
}

function readReport({ exitCode, stdout, stderr }: CommandResult) {
  const report = JSON.parse(stdout.trim().split("\n").at(-1) || "null");
  const faults: string[] = (report?.faults ?? []).map(
    ({ where, message }: Record<string, string>) => `${where}: ${message}`,
  );
  return { exitCode, stderr, report, faults: faults.toSorted() };
}

async function expectNothingWrong(data: string): Promise<void> {
  const verified = await runBerth(["verify", "--data", data, "--rate", "1GB"]);
  expect(verified).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("nothing is wrong") });
}

/** Whether another user can run the tests' programs, wherever they are. */
const mayBeStranger =
  process.getuid?.() === 0 &&
  Bun.spawnSync([
    "setpriv",
    `--reuid=${stranger}`,
    "--clear-groups",
    process.execPath,
    berthProgram,
    "--version",
  ]).exitCode === 0;

describe.skipIf(!isAvailable("docker-registry"))(
  "berth import of a CNCF registry that is not as it should be",
  () => {
    let old: RunningRegistry;
    let images: Record<"one" | "two" | "closed" | "other", PushedManifest>;

    beforeAll(async () => {
      old = await startDockerRegistry();
      const client = createClient(old.host);
      const push = (repository: RepositoryName, seed: number, tag: string) =>
        pushImage(client, repository, { layers: [bytesFor(seed, large)], config: { seed }, tags: tags(tag) });
      images = {
        one: await push(app, 1, "1"),
        two: await push(app, 2, "2"),
        closed: await push(closed, 3, "1"),
        other: await push(other, 4, "1"),
      };
      client.close();
    });
    afterAll(() => old.stop());

    /** A copy of the registry's data to be spoiled. */
    async function copyOfSource(name: string) {
      const path = join(folder, name);
      await cp(old.data, path, { recursive: true, preserveTimestamps: true });
      const root = join(path, "docker/registry/v2");
      return {
        path,
        repository: (repository: string) => join(root, "repositories", repository),
        blob: (digest = "") => join(root, "blobs/sha256", digest.slice(7, 9), digest.slice(7), "data"),
        revision: (repository: string, digest: string) =>
          join(root, "repositories", repository, "_manifests/revisions/sha256", digest.slice(7)),
        tag: (repository: string, tag: string) =>
          join(root, "repositories", repository, "_manifests/tags", tag, "current/link"),
      };
    }

    test.skipIf(!mayBeStranger)(
      "import names what it may not read, does the rest, and goes on when it may (needs root, to be somebody else)",
      async () => {
        const source = await copyOfSource("unreadable");
        const home = join(folder, "home");
        await mkdir(home);
        await chown(home, stranger, stranger);
        const archive = join(folder, "closed.tar");
        await writeFile(archive, "", { mode: 0 });
        const notAllowed = [
          [source.blob(images.one.blobs[1]?.digest), "team/app:1"],
          [source.repository("team/closed"), "team/closed"],
          [source.tag("other", "1"), "other:1"],
          [source.revision("other", images.other.descriptor.digest), "other"],
        ] as const;
        for (const [path] of notAllowed) await chmod(path, 0);
        const data = join(home, "data");
        const refused = await importAsStranger(home, source.path, "--data", data);
        const why = ": not allowed: check whose it is and who may use it";
        expect(refused.faults).toEqual(
          notAllowed.map(([path, where]) => `${where}: ${path}${why}`).toSorted(),
        );
        expect(refused).toMatchObject({
          exitCode: 1,
          report: { repositories: 2, tags: { new: 1, failed: 1 } },
        });
        for (const [path] of notAllowed) await chmod(path, 0o755);
        const again = await importAsStranger(home, source.path, "--data", data);
        expect(again).toMatchObject({ exitCode: 0, faults: [], report: { tags: { new: 3, same: 1 } } });
        await expectNothingWrong(data);
      },
    );

    test("import takes what there is of a folder that was copied by half, and the rest when it is whole", async () => {
      const source = await copyOfSource("half");
      await rm(source.blob(images.one.blobs[1]?.digest));
      await truncate(source.blob(images.two.descriptor.digest), 20);
      await rm(source.revision("team/closed", images.closed.descriptor.digest), { recursive: true });
      await writeFile(source.tag("other", "1"), "");
      const data = join(folder, "half-data");
      const { exitCode, faults } = await importJson(source.path, "--data", data);
      expect(exitCode).toBe(1);
      expect(faults).toEqual([
        expect.stringMatching(
          /^other:1: the tag 1 of other is damaged in the source: .*holds "" instead of a digest/,
        ),
        expect.stringMatching(
          /^team\/app:1: the blob sha256:\w+ of team\/app is missing in the source: there is no /,
        ),
        expect.stringMatching(/^team\/app:2: .*is not JSON/),
        expect.stringMatching(/^team\/closed:1: team\/closed has no manifest sha256:\w+ in the source/),
      ]);
      await expectNothingWrong(data);
      await cp(old.data, source.path, { recursive: true });
      const whole = await importJson(source.path, "--data", data);
      expect(whole).toMatchObject({ exitCode: 0, faults: [], report: { tags: { new: 4 } } });
      await expectNothingWrong(data);
    });

    test.skipIf(!mayMount)(
      "import stops when its disk is full, says so, and goes on when there is room (needs root that may mount)",
      async () => {
        const disk = join(folder, "disk");
        const data = join(disk, "data");
        await mkdir(disk);
        await succeed("mount", ["-t", "tmpfs", "-o", "size=1800k", "tmpfs", disk]);
        try {
          const full = await importJson(old.data, "--data", data);
          expect(full).toMatchObject({ exitCode: 1, report: { stopped: { code: "STORAGE_FULL" } } });
          expect(full.faults.filter((fault) => fault.includes("full"))).toHaveLength(full.faults.length);
          await succeed("mount", ["-o", "remount,size=64m", disk]);
          const { exitCode, report } = await importJson(old.data, "--data", data);
          expect([exitCode, report.faults]).toEqual([0, []]);
          await expectNothingWrong(data);
        } finally {
          await succeed("umount", [disk]);
        }
      },
    );

    test("import through a network that breaks off brings what it can each time, and in the end everything", async () => {
      const berth = await startBerth();
      const proxy = await startFaultyProxy(old.host, seededRandom(7), ["cut", "reset"]);
      try {
        for (let round = 0; round < 3; round++) {
          const { exitCode, faults, report } = await importJson(proxy.host, "--to", berth.host);
          expect([0, 1]).toContain(exitCode);
          expect(exitCode === 0).toBe(faults.length === 0 && report !== null);
        }
        expect([...proxy.happened.keys()].toSorted()).toEqual(["cut", "reset"]);
        proxy.heal();
        expect(await importJson(proxy.host, "--to", berth.host)).toMatchObject({ exitCode: 0, faults: [] });
        const client = createClient(berth.host);
        for (const [repository, { bytes, descriptor }] of [
          [app, images.one],
          [app, images.two],
          [closed, images.closed],
          [other, images.other],
        ] as const) {
          expect((await client.getManifest(repository, descriptor.digest)).bytes).toEqual(bytes);
        }
        client.close();
        await berth.process.stop();
        await expectNothingWrong(berth.data);
      } finally {
        await proxy.stop();
        await berth.stop();
      }
    });
  },
);

describe("berth import of layouts and archives that are not as they should be", () => {
  /** Images in a layout each; the largest file is a layer. */
  async function makeLayout(name: string) {
    const path = join(folder, name);
    await writeLayout({ folder: path, seed: name, layers: [10, large], platforms: ["linux/amd64"] });
    const blobs = await succeed("find", [join(path, "blobs"), "-type", "f", "-size", "+500k"]);
    return { path, layer: blobs };
  }
  const import_ = (data: string, ...sources: readonly string[]) =>
    importJson(...sources, "--as", "from/layout", "--keep-tags", "--data", join(folder, data));

  test.each([
    [
      "cut off",
      (path: string) => truncate(path, 100),
      /^from\/layout:latest: .* is cut off: it has 100 bytes/,
    ],
    ["damaged", flipBit, /^from\/layout:latest: .* is damaged: its bytes have the digest/],
    ["missing", (path: string) => rm(path), /^from\/layout:latest: .* has no blob/],
  ] as const)(
    "import names a layer of a layout that is %s, and takes the image when it is mended",
    async (fault, spoil, said) => {
      const { path, layer } = await makeLayout(fault.replace(" ", "-"));
      const kept = await readFile(layer);
      await spoil(layer);
      const { exitCode, faults, report } = await import_(`${fault}-data`, path);
      expect([exitCode, faults]).toEqual([1, [expect.stringMatching(said)]]);
      expect(report.tags).toMatchObject({ new: 0, failed: 1 });
      await writeFile(layer, kept);
      expect(await import_(`${fault}-data`, path)).toMatchObject({
        exitCode: 0,
        report: { tags: { new: 1 } },
      });
      await expectNothingWrong(join(folder, `${fault}-data`));
    },
  );

  test.skipIf(!isAvailable("skopeo"))(
    "import names archives that are cut off or damaged, and takes the one that is whole",
    async () => {
      const { path } = await makeLayout("archived");
      const archives = ["whole", "cut", "damaged"].map((name) => join(folder, `${name}.tar`));
      const [whole = "", cut = "", damaged = ""] = archives;
      for (const archive of archives) {
        const image = `saved/${archive.slice(folder.length + 1, -4)}:1`;
        await succeed("skopeo", [
          "copy",
          "--quiet",
          `oci:${path}:latest`,
          `docker-archive:${archive}:${image}`,
        ]);
      }
      await truncate(cut, (await stat(cut)).size / 2);
      await flipBit(damaged);
      const { exitCode, faults, report } = await import_("archives", cut, damaged, whole);
      expect([exitCode, faults]).toEqual([
        1,
        [
          expect.stringMatching(/cut\.tar: cannot read .*: it is cut off: it ends at byte \d+/),
          expect.stringMatching(/^saved\/damaged:1: the source sent other bytes/),
        ],
      ]);
      expect(report).toMatchObject({ tags: { new: 1 } });
      await expectNothingWrong(join(folder, "archives"));
    },
  );
});
