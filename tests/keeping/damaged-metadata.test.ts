import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { cp, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { runBerth } from "../fixtures/command-lines.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";
import { pushImage } from "../fixtures/pushes.ts";
import { startBerth } from "../fixtures/registries.ts";
import { readWorkLines } from "../fixtures/stored-blobs.ts";

setDefaultTimeout(30_000);

let folder: string;
let source: string;
let copies = 0;
beforeAll(async () => {
  folder = await makeTemporaryFolder();
  source = join(folder, "source");
  const berth = await startBerth({ data: source });
  for (const tag of ["1", "2"]) await pushImage(berth.url, "metadata/app", tag, [60_000, 30_000]);
  await berth.stop();
});
afterAll(() => rm(folder, { recursive: true }));

/** A copy of the data folder in which the first page of a table or an index was changed on disk. */
async function damaged(name: string, change: (page: Buffer) => void): Promise<string> {
  const data = join(folder, `copy-${++copies}`);
  await cp(source, data, { recursive: true });
  const path = join(data, "metadata.db");
  let place: { size: number; number: number };
  {
    using db = new Database(path);
    const { page_size: size } = db.query("PRAGMA page_size").get() as { page_size: number }; // as SQLite answers
    const { rootpage: number } = db.query("SELECT rootpage FROM sqlite_master WHERE name = ?").get(name) as {
      rootpage: number;
    }; // likewise
    place = { size, number };
  }
  await using file = await open(path, "r+");
  const page = Buffer.alloc(place.size);
  const at = (place.number - 1) * place.size;
  await file.read(page, 0, page.length, at);
  change(page);
  await file.write(page, 0, page.length, at);
  return data;
}

async function verify(data: string, ...flags: readonly string[]) {
  const args = ["verify", "--data", data, "--rate", "0", "--json", ...flags];
  const { exitCode, stdout, stderr } = await runBerth(args);
  const { faults, done } = readWorkLines(stdout);
  return { exitCode, stderr, counts: done.counts, found: faults.map(({ kind, subject }) => [kind, subject]) };
}

test("verify tells of an index that the disk changed, although every row is there", async () => {
  const data = await damaged("sqlite_autoindex_blobs_1", (page) => page.fill(0xff));
  const { exitCode, found, counts } = await verify(data);
  expect([exitCode, found]).toEqual([1, [["metadata-damaged", "metadata.db"]]]);
  expect(counts).toMatchObject({ manifests: 2, blobs: 6 });
});

test("verify tells of a table that cannot be read, and looks at everything else", async () => {
  for (const flags of [[], ["--repair"]]) {
    const data = await damaged("tags", (page) => page.fill(0xff));
    const { exitCode, stderr, found, counts } = await verify(data, ...flags);
    expect([exitCode, stderr, found]).toEqual([
      ...[1, ""],
      [
        ["metadata-damaged", "metadata.db"],
        ["metadata-damaged", "metadata.db (tags)"],
      ],
    ]);
    expect(counts).toMatchObject({ manifests: 2, tags: 0, blobs: 6, files: 4 });
  }
});

test("verify ends also where the ids of a table no longer rise", async () => {
  const data = await damaged("blobs", (page) => {
    // https://www.sqlite.org/fileformat2.html#b_tree_pages: the last cell but one, whose size takes one byte
    const cell = page.readUInt16BE(8 + 2 * (page.readUInt16BE(3) - 2));
    page[cell + 1] = 1;
    page.write("sha-56:", page.indexOf("sha256:", cell)); // a fault, behind which it goes on
  });
  const { exitCode, found } = await verify(data);
  expect(exitCode).toBe(1);
  const subjects = found.filter(([kind]) => kind === "metadata-damaged").map(([, subject]) => subject);
  expect(new Set(subjects)).toEqual(new Set(["metadata.db", "blob 1", "metadata.db (blobs)"]));
});

test("verify tells of a row whose digest is none", async () => {
  const data = await damaged("blobs", (page) => page.write("sha-56:", page.indexOf("sha256:")));
  const { exitCode, found } = await verify(data);
  expect([exitCode, found.map(([, subject]) => subject)]).toEqual([
    1,
    expect.arrayContaining(["metadata.db", expect.stringMatching(/^blob \d$/)]),
  ]);
});
