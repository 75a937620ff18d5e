import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { takeLock } from "../../src/store/lock.ts";
import { schemaVersion } from "../../src/store/metadata/sqlite/schema.ts";
import { runBerth } from "../fixtures/command-lines.ts";
import { writeLayout } from "../fixtures/layouts.ts";
import { makeOldStore } from "../fixtures/old-stores.ts";
import { makeTemporaryFolder } from "../fixtures/processes.ts";

setDefaultTimeout(30_000);

let folder: string;
let layout: string;
beforeAll(async () => {
  folder = await makeTemporaryFolder();
  layout = join(folder, "layout");
  await writeLayout({ folder: layout, seed: "guarded", layers: [100], platforms: ["linux/amd64"] });
});
afterAll(() => rm(folder, { recursive: true }));

const importInto = (data: string) =>
  runBerth(["import", layout, "--as", "guarded/app", "--data", data, "--json"]);

test("import leaves a store alone that an older server is using, and brings it up to date when none is", async () => {
  const data = join(folder, "older");
  await makeOldStore(data, schemaVersion - 1);
  const versionOf = () => {
    using db = new Database(join(data, "metadata.db"), { readwrite: true });
    return db.query("PRAGMA user_version").get();
  };
  const server = await takeLock(data, "busy");
  const refused = await importInto(data);
  expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining("an older Berth is using")]);
  expect(versionOf()).toEqual({ user_version: schemaVersion - 1 });
  server.release();
  const done = await importInto(data);
  expect([done.exitCode, done.stderr]).toEqual([0, ""]);
  expect(versionOf()).toEqual({ user_version: schemaVersion });
});

test.each([
  ["half restored", "restore.json", "run the same berth restore again"],
  ["another program's", "photos.zip", "another program's"],
  ["without its metadata", "blobs/x", "put metadata.db back from a backup"],
])("import begins no store in a folder that is %s", async (what, file, advice) => {
  const data = join(folder, what);
  await mkdir(data);
  await Bun.write(join(data, file), "{}");
  const before = await readdir(data);
  const { exitCode, stderr } = await importInto(data);
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining(advice)]);
  expect(await readdir(data)).toEqual(before);
  expect(existsSync(join(data, "metadata.db"))).toBe(false);
});
