import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, rm, truncate, unlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { berthProgram, runBerth } from "../fixtures/command-lines.ts";
import { mayMount } from "../fixtures/disks.ts";
import { attempt, makeTemporaryFolder, startProcess, succeed } from "../fixtures/processes.ts";
import { missingOf, type PushedImage, pushImage } from "../fixtures/pushes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { blobFileOf, flipBit, readWorkLines } from "../fixtures/stored-blobs.ts";

setDefaultTimeout(30_000);

let folder: string;
/** A data folder that nobody uses, which each test harms a copy of. */
let source: string;
let images: readonly PushedImage[];
let copies = 0;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
  source = join(folder, "source");
  const berth = await startBerth({ data: source });
  const push = (tag: string) => pushImage(berth.url, "damage/app", tag, [60_000, 30_000]);
  images = [await push("1"), await push("2")];
  await berth.stop();
});
afterAll(() => rm(folder, { recursive: true }));

async function copyOfStore(): Promise<string> {
  const to = join(folder, `copy-${++copies}`);
  await cp(source, to, { recursive: true });
  return to;
}

async function run(...args: readonly string[]) {
  const { exitCode, stdout, stderr } = await runBerth([...args, "--json", "--rate", "0"], {
    env: { HOME: folder },
  });
  const lines = stdout === "" ? { faults: [], done: undefined } : readWorkLines(stdout);
  return { exitCode, stderr, ...lines };
}
const verify = (data: string, ...flags: readonly string[]) => run("verify", "--data", data, ...flags);
const kindsOf = (faults: readonly { readonly kind: string }[]) => faults.map(({ kind }) => kind).sort();
const layersOf = ({ blobs }: PushedImage): [string, string] => [blobs[1] ?? "", blobs[2] ?? ""];
const [first, second] = [() => images[0] as PushedImage, () => images[1] as PushedImage]; // made in `beforeAll`

/** Runs something against a server over a data folder. */
async function served<T>(data: string, act: (berth: RunningRegistry) => Promise<T>): Promise<T> {
  const berth = await startBerth({ data });
  try {
    return await act(berth);
  } finally {
    await berth.stop();
  }
}

/** The blob with a file that a verification comes to first. */
function firstBlobOf(data: string): string {
  using db = new Database(join(data, "metadata.db"));
  const sql =
    "SELECT digest FROM blobs WHERE id NOT IN (SELECT blob_id FROM small_blobs) ORDER BY id LIMIT 1";
  return db.query<{ digest: string }, []>(sql).get()?.digest ?? "";
}

/**
 * Breaks a verification off once it has found the one damaged blob, whose size tells it at once: what is left to read takes a
 * minute at this rate.
 */
async function breakOff(data: string, ...flags: readonly string[]): Promise<void> {
  const args = [berthProgram, "verify", "--data", data, "--rate", "2kB", ...flags];
  const slow = startProcess(process.execPath, args);
  if (flags.length > 0) await slow.waitForOutput(/had left 1 fault as found: beginning anew to mend/);
  await slow.waitForOutput(/blob-damaged.*\n/);
  expect(await slow.stop("SIGINT")).toBe(130);
}

describe("berth verify", () => {
  test("verify tells everything that is wrong, and --repair mends it from a backup and a registry", async () => {
    const data = await copyOfStore();
    const target = join(folder, "target");
    expect((await run("backup", target, "--data", data)).exitCode).toBe(0);
    const [one, two] = layersOf(first());
    const [three, four] = layersOf(second());
    await flipBit(blobFileOf(data, one));
    await truncate(blobFileOf(data, two), 10);
    await unlink(blobFileOf(data, three));
    await writeFile(join(dirname(blobFileOf(data, four)), "notes.txt"), "mine");
    const stray = blobFileOf(data, `sha256:${"ab".repeat(32)}`);
    await mkdir(dirname(stray), { recursive: true });
    await writeFile(stray, "nobody knows me");
    await writeFile(
      join(data, "uploads", `${"0".repeat(8)}-${"0000-".repeat(3)}${"0".repeat(12)}.put`),
      "given up",
    );
    const upload = (await readdir(join(data, "uploads")))[0] ?? "";
    await utimes(join(data, "uploads", upload), 0, 0);
    {
      using db = new Database(join(data, "metadata.db"));
      db.run("UPDATE small_blobs SET bytes = x'00' WHERE blob_id = (SELECT min(blob_id) FROM small_blobs)");
      db.run("DELETE FROM manifest_blobs WHERE manifest_id = 1");
      db.run("UPDATE manifests SET bytes = CAST('{}' AS BLOB) WHERE id = 2");
      db.run("INSERT INTO tags (repository_id, name, digest, opened_at) VALUES (1, 'lost', 'sha256:0', 0)");
      db.run("INSERT INTO blob_links (repository_id, blob_id, linked_at, unclaimed) VALUES (99, 1, 0, 0)");
      db.run("INSERT INTO referrers VALUES (1, 'sha256:1', 'sha256:2', '', '{}')");
    }
    const all = [
      ...["blob-damaged", "blob-damaged", "blob-damaged", "blob-lost", "foreign-file", "link-broken"],
      ...["manifest-damaged", "reference-missing", "referrer-broken", "stray-upload", "tag-broken"],
    ];
    const found = await verify(data);
    expect([found.exitCode, kindsOf(found.faults)]).toEqual([1, all]); // a stray blob is young yet
    const repaired = await verify(data, "--repair", "--from", target);
    expect(repaired.exitCode).toBe(1);
    const left = repaired.faults.filter(({ mended }) => mended === undefined);
    expect(kindsOf(left)).toEqual(["link-broken", "referrer-broken", "tag-broken"]);
    expect(
      await served(data, async ({ url }) =>
        (await Promise.all(images.map((image) => missingOf(url, image)))).flat(),
      ),
    ).toEqual([]);

    await flipBit(blobFileOf(data, four));
    const mended = await served(source, ({ host }) => verify(data, "--repair", "--from", host));
    expect(mended.faults.filter(({ subject }) => subject === four)).toMatchObject([
      {
        kind: "blob-damaged",
        mended: expect.stringMatching(/^fetched again from 127\.0\.0\.1:\d+\/damage\/app$/),
      },
    ]);
    expect(kindsOf((await verify(data)).faults)).toEqual(["link-broken", "referrer-broken", "tag-broken"]);
  });

  test("verify --repair takes from an older point what the newest was already made with the damage of", async () => {
    const data = await copyOfStore();
    const target = join(folder, "older");
    expect((await run("backup", target, "--data", data)).exitCode).toBe(0);
    {
      using db = new Database(join(data, "metadata.db"));
      db.run("UPDATE small_blobs SET bytes = x'00' WHERE blob_id = (SELECT min(blob_id) FROM small_blobs)");
      db.run("UPDATE manifests SET bytes = CAST('{}' AS BLOB) WHERE id = 2");
    }
    expect((await run("backup", target, "--data", data)).exitCode).toBe(0);
    const { exitCode, faults } = await verify(data, "--repair", "--from", target);
    const outcomes = faults.map(({ kind, mended }) => [kind, mended]).sort();
    const mended = `fetched again from ${target}`;
    expect([exitCode, outcomes]).toEqual([
      0,
      [
        ["blob-damaged", mended],
        ["manifest-damaged", mended],
      ],
    ]);
  });

  test("verify goes on where it was broken off, tells again what it had found, and begins anew when told to", async () => {
    const data = await copyOfStore();
    const damaged = firstBlobOf(data);
    await truncate(blobFileOf(data, damaged), 10);
    await breakOff(data);
    const rest = await verify(data);
    expect([rest.exitCode, kindsOf(rest.faults), rest.done.counts.blobs]).toEqual([1, ["blob-damaged"], 6]);
    expect(rest.done.counts.faults).toBe(1);
    await rm(blobFileOf(data, damaged));
    const again = await verify(data, "--restart");
    expect([again.done.id > rest.done.id, kindsOf(again.faults)]).toEqual([true, ["blob-lost"]]);
  });

  test("verify --repair mends also what one found that was broken off without it, and goes on with its own", async () => {
    const data = await copyOfStore();
    const damaged = firstBlobOf(data);
    await truncate(blobFileOf(data, damaged), 10);
    await breakOff(data);
    await breakOff(data, "--repair");
    expect(existsSync(blobFileOf(data, damaged))).toBe(false);
    // Had it begun anew once more, it would find the blob lost.
    const rest = await verify(data, "--repair");
    expect([rest.done.by, rest.faults]).toMatchObject([
      "repair",
      [{ kind: "blob-damaged", subject: damaged }],
    ]);
    expect((await verify(data)).faults).toMatchObject([{ kind: "blob-lost", subject: damaged }]);
  });

  test("verify says what a folder is that is no store, and reports a half-copied one to its end", async () => {
    const [empty, garbage, halfCopied] = [
      join(folder, "empty"),
      join(folder, "garbage"),
      await copyOfStore(),
    ];
    await mkdir(empty);
    await mkdir(garbage);
    await writeFile(
      join(garbage, "metadata.db"),
      "this is no database, but long enough to look like a file".repeat(40),
    );
    expect((await verify(empty)).stderr).toContain("has no metadata.db");
    expect((await verify(garbage)).stderr).toContain("is damaged, or another program's");
    await rm(join(halfCopied, "blobs"), { recursive: true });
    const { exitCode, faults, done } = await verify(halfCopied, "--repair");
    expect([exitCode, kindsOf(faults)]).toEqual([1, ["blob-lost", "blob-lost", "blob-lost", "blob-lost"]]);
    expect(done.counts.blobs).toBe(6);
    // Its disk is not mounted, perhaps: when it is, nothing was changed.
    await cp(join(source, "blobs"), join(halfCopied, "blobs"), { recursive: true });
    expect((await verify(halfCopied)).exitCode).toBe(0);
  });
});

describe("berth backup and restore", () => {
  test("backup notes what is damaged, restore what the backup lacks; all else is there", async () => {
    const data = await copyOfStore();
    const target = join(folder, "lacking");
    const [one, two] = layersOf(first());
    await flipBit(blobFileOf(data, one));
    expect(await run("backup", target, "--data", data)).toMatchObject({
      ...{ exitCode: 1, faults: [{ kind: "blob-damaged", subject: one }] },
      done: { copied: 3, faults: 1 },
    });
    await flipBit(blobFileOf(target, two));
    const to = join(folder, "lacking-restored");
    const restored = await run("restore", target, "--data", to);
    expect([restored.exitCode, kindsOf(restored.faults)]).toEqual([1, ["blob-damaged", "blob-lost"]]);
    expect(kindsOf((await verify(to)).faults)).toEqual(["blob-lost", "blob-lost"]);
    expect(await served(to, ({ url }) => missingOf(url, second()))).toEqual([]);
    const mended = await served(source, ({ host }) => verify(to, "--repair", "--from", host));
    expect(mended.exitCode).toBe(0);
    expect(await served(to, ({ url }) => missingOf(url, first()))).toEqual([]);
  });

  test("restore refuses a folder that is used or not empty, and a target that is none", async () => {
    const target = join(folder, "refused");
    await run("backup", target, "--data", source);
    const refusals: string[] = [];
    await served(source, async () => {
      refusals.push((await run("restore", target, "--data", source)).stderr);
    });
    refusals.push((await run("restore", source, "--data", join(folder, "new"))).stderr);
    refusals.push((await run("restore", target, "--at", "2001-01-01", "--data", join(folder, "new"))).stderr);
    refusals.push((await run("backup", dirname(target), "--data", source)).stderr);
    refusals.push((await run("backup", join(source, "inside"), "--data", source)).stderr);
    const expected = [
      /is not empty/,
      /no backups in/,
      /no point of 2001-.*it has 20/,
      /contain one another|holds no backups/,
      /contain one another/,
    ];
    for (const [at, pattern] of expected.entries()) expect(refusals[at]).toMatch(pattern);
  });

  test("restore that was killed leaves what no server takes, and goes on when run again", async () => {
    const target = join(folder, "killed");
    const to = join(folder, "killed-restored");
    await run("backup", target, "--data", source);
    const slow = startProcess(process.execPath, [
      ...[berthProgram, "restore", target, "--data", to, "--rate", "20kB", "--json"],
    ]);
    await slow.waitForOutput(/"progress"/);
    process.kill(slow.pid, "SIGKILL");
    await slow.exited;
    for (const args of [["serve", "--listen", "127.0.0.1:0"], ["verify"]]) {
      const refused = await attempt(process.execPath, [berthProgram, ...args, "--data", to]);
      expect([refused.exitCode, refused.stderr]).toEqual([
        1,
        expect.stringContaining("run the same berth restore again"),
      ]);
    }
    expect((await run("restore", target, "--data", to)).exitCode).toBe(0);
    expect(
      await served(to, async ({ url }) =>
        (await Promise.all(images.map((image) => missingOf(url, image)))).flat(),
      ),
    ).toEqual([]);
  });

  test.skipIf(!mayMount)(
    "verify, backup and export say that the disk of the data is full, and do it when it is not (needs root that may mount)",
    async () => {
      const disk = join(folder, "full-data");
      const data = join(disk, "data");
      await mkdir(disk);
      await succeed("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", disk]);
      try {
        await cp(source, data, { recursive: true });
        await truncate(blobFileOf(data, firstBlobOf(data)), 10);
        await attempt("dd", ["if=/dev/zero", `of=${join(disk, "filling")}`, "bs=4k"]);
        const commands = [
          ["verify", "--repair", "--data", data],
          ["backup", join(folder, "of-full-data"), "--data", data],
          ["export", "damage/app", "--data", data, "-o", join(folder, "of-full-data.tar")],
        ];
        for (const args of commands) {
          const { exitCode, stderr } = await runBerth(args);
          expect([args[0], exitCode, stderr]).toEqual([
            ...[args[0], 1],
            expect.stringContaining("the disk of the metadata is full"),
          ]);
        }
        await rm(join(disk, "filling"));
        for (const args of commands) expect((await runBerth(args)).stderr).not.toContain("is full");
        expect((await verify(data)).faults).toMatchObject([{ kind: "blob-lost" }]);
      } finally {
        await succeed("umount", [disk]);
      }
    },
  );

  test.skipIf(!mayMount)(
    "backup, restore and export say where there is no room, and go on when there is (needs root that may mount)",
    async () => {
      const disk = join(folder, "disk");
      const target = join(folder, "of-full");
      expect((await run("backup", target, "--data", source)).exitCode).toBe(0);
      const archive = join(disk, "all.tar");
      await mkdir(disk);
      for (const size of ["64k", "250k", "450k"]) {
        for (const [place, act] of [
          ["target", () => run("backup", join(disk, "target"), "--data", source)],
          ["data", () => run("restore", target, "--data", join(disk, "data"))],
          ["all.tar", () => runBerth(["export", "damage/app", "--data", source, "-o", archive])],
        ] as const) {
          await succeed("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", disk]);
          try {
            const full = await act();
            const expected =
              full.exitCode === 0
                ? ""
                : expect.stringMatching(new RegExp(`${disk}/${place}.*: make room and`));
            expect([size, place, full.stderr]).toEqual([size, place, expected]);
            if (size === "64k") expect(full.exitCode).toBe(1);
            await succeed("mount", ["-o", "remount,size=64m", disk]);
            if (full.exitCode !== 0) expect([size, place, (await act()).exitCode]).toEqual([size, place, 0]);
            expect((await readdir(disk)).sort()).toEqual([place]);
          } finally {
            await succeed("umount", [disk]);
          }
        }
      }
    },
  );
});
