import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "../../src/client/client.ts";
import { parseRepositoryName, parseTag, type RepositoryName } from "../../src/oci/names.ts";
import { pushBytes, readBlob } from "../../src/registry/contract/fixtures.ts";
import { digestOf } from "../../src/registry/hash.ts";
import { migrate, migrations, schemaVersion } from "../../src/store/metadata/sqlite/schema.ts";
import { basic } from "../fixtures/accounts.ts";
import { berthProgram, runBerth, startBerthCommand } from "../fixtures/command-lines.ts";
import { mayMount } from "../fixtures/disks.ts";
import { inventory } from "../fixtures/folders.ts";
import { writeLayout } from "../fixtures/layouts.ts";
import {
  dumpedVersions,
  makeOldStore,
  oldAdministrator,
  oldContent,
  oldPerson,
} from "../fixtures/old-stores.ts";
import { makeTemporaryFolder, startProcess, succeed } from "../fixtures/processes.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { blobsOnDisk } from "../fixtures/stored-blobs.ts";

setDefaultTimeout(30_000);

let folder: string;
beforeAll(async () => {
  folder = await makeTemporaryFolder();
  await Bun.write(join(folder, "password"), oldAdministrator.password);
  const rules = [{ repositories: ["old/app"], versions: "semver", float: ["minor", "major", "latest"] }];
  const access = { open: "none", "admin-password-file": join(folder, "password") };
  await Bun.write(settings(), JSON.stringify({ access, gc: { every: "never", lease: "0s" }, tags: rules })); // JSON is YAML
});
afterAll(() => rm(folder, { recursive: true }));
const settings = () => join(folder, "berth.yaml");

/** Versions since which there are accounts with commands, deleted manifests and tag rules, a record. */
const since = { removed: 3, accounts: 4 };
const [app, web] = ["old/app", "old/web"].map(parseRepositoryName) as [RepositoryName, RepositoryName]; // as many as names
const { amd64, arm64, index, referrer, removed, begun } = oldContent;
const versions = await dumpedVersions();

/**
 * The beginning of each migration's SHA-256. A released one never changes: stores were made by it. A new one is added here;
 * a dump of a store of the version before is made with tests/fixtures/schemas/make.ts.
 */
const released = [
  "3b974f8fdcd48f20",
  "7f255722ad605b39",
  "69a4fa374b8716dc",
  "c00ae21ee9f528b5",
  "5ce2518d70e1c349",
  "316afef9de1655a9",
  "8f8a394c66f9c66b",
  "923a1a742e0d19de",
  "3558f340d60b1553",
  "0cbbe8852530667a",
  "ce96dc0a36c3ccea",
  "8d6bfd37329f838c",
];

test("migrations that were released are what they were, and of each version there is a store", () => {
  const hashes = migrations.map((each) => createHash("sha256").update(JSON.stringify(each)).digest("hex"));
  expect(hashes.map((hash) => hash.slice(0, 16))).toEqual(released);
  expect(versions.slice(0, schemaVersion - 1)).toEqual(
    Array.from({ length: schemaVersion - 1 }, (_, at) => at + 1),
  );
});

test.each(versions)(
  "serve brings a store of schema version %d up to date, with all that is in it",
  async (version) => {
    const data = join(folder, `v${version}`);
    await makeOldStore(data, version);
    const berth = await startBerth({ data, args: ["--config", settings()] });
    try {
      await expectAll(berth);
      if (version >= since.removed) await bringBack(berth);
      if (version >= since.accounts) await expectAccounts(berth);
      await endUpload(berth, data);
      await expectRules(berth);
      await collect(berth, data, version);
      await expectAll(berth);
    } finally {
      expect(await berth.process.stop()).toBe(0);
      await berth.stop();
    }
    const verified = await runBerth(["verify", "--data", data]);
    expect(verified).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("nothing is wrong") });
    expect(schemaOf(join(data, "metadata.db"))).toEqual(schemaOf(":memory:"));
  },
);

/** A version before one whose migration copies a table, which takes long and much room here. */
const small = { version: 6, edges: 400_000 };

async function makeLargeStore(data: string): Promise<void> {
  await makeOldStore(data, small.version);
  using db = new Database(join(data, "metadata.db"), { readwrite: true });
  db.run(`INSERT INTO manifest_blobs WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${small.edges})
    SELECT 1, 1000 + i FROM n`);
}

/** What a database says that nobody is using. */
function stateOf(data: string): object {
  using db = new Database(join(data, "metadata.db"), { readwrite: true });
  return {
    ...(db.query("PRAGMA user_version").get() as object), // one row
    ...(db.query("PRAGMA integrity_check").get() as object), // likewise
    ...(db.query("SELECT count(*) AS edges FROM manifest_blobs WHERE blob_id > 1000").get() as object), // likewise
  };
}
const asItWas = { user_version: small.version, integrity_check: "ok", edges: small.edges };

async function expectStart(data: string): Promise<void> {
  const berth = await startBerth({ data, args: ["--config", settings()] });
  await expectAll(berth);
  await berth.process.stop();
  await berth.stop();
  expect(stateOf(data)).toEqual({ ...asItWas, user_version: schemaVersion });
}

test("serve that is killed in the middle of a migration leaves the store as it was, and the next start completes it", async () => {
  const data = join(folder, "killed");
  await makeLargeStore(data);
  const serve = ["serve", "--listen", "127.0.0.1:0", "--data", data, "--config", settings()];
  const server = startProcess(process.execPath, [berthProgram, ...serve], { cwd: folder });
  // The transaction is written to the log from time to time while it goes on.
  const log = join(data, "metadata.db-wal");
  let hasEnded = false;
  server.exited.then(() => (hasEnded = true));
  while (!hasEnded && !(existsSync(log) && (await stat(log)).size > 100_000)) await Bun.sleep(1);
  await server.stop("SIGKILL");
  expect(server.output()).not.toContain("http://");
  expect(stateOf(data)).toEqual(asItWas);
  await expectStart(data);
});

test.skipIf(!mayMount)(
  "serve says so when there is no room for a migration, leaves the store as it was, and completes it when there is (needs root that may mount)",
  async () => {
    const disk = join(folder, "disk");
    const data = join(disk, "data");
    await mkdir(disk);
    await succeed("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", disk]);
    try {
      await makeLargeStore(data);
      const { size } = await stat(join(data, "metadata.db"));
      await succeed("mount", ["-o", `remount,size=${Math.ceil(size / 1e6) + 2}m`, disk]);
      const serve = ["serve", "--listen", "127.0.0.1:0", "--data", data, "--config", settings()];
      const { exitCode, stderr } = await startBerthCommand(serve, { cwd: folder });
      expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/full/)]);
      expect(stateOf(data)).toEqual(asItWas);
      await succeed("mount", ["-o", "remount,size=128m", disk]);
      await expectStart(data);
    } finally {
      await succeed("umount", [disk]);
    }
  },
);

test("serve, verify, backup and import refuse a store that a newer Berth wrote, say so, and write nothing", async () => {
  const data = join(folder, "newer");
  await makeOldStore(data, 9);
  {
    using db = new Database(join(data, "metadata.db"));
    db.run(`PRAGMA user_version = ${schemaVersion + 1}`);
  }
  const layout = join(folder, "layout");
  await writeLayout({ folder: layout, seed: "newer", layers: [10], platforms: ["linux/amd64"] });
  const before = await inventory(data);
  const said = `metadata.db has schema version ${schemaVersion + 1}, this Berth knows up to ${schemaVersion}: start the newer Berth that wrote it`;
  for (const args of [
    ["serve", "--listen", "127.0.0.1:0", "--data", data],
    ["serve", "--listen", "127.0.0.1:0", "--workers", "2", "--data", data],
    ["verify", "--data", data],
    ["backup", join(folder, "target"), "--data", data],
    ["import", layout, "--as", "new/app", "--data", data],
  ]) {
    const { exitCode, stderr } = await startBerthCommand(args);
    expect([args[0], exitCode, stderr]).toEqual([args[0], 1, expect.stringContaining(said)]);
    expect(await inventory(data)).toEqual(before);
  }
});

function clientOf(
  { host }: RunningRegistry,
  { name, password }: { readonly name: string; readonly password: string },
) {
  return createClient(host, { credentials: () => ({ username: name, password }) });
}

const ask = (
  berth: RunningRegistry,
  method: string,
  path: string,
  json?: object,
  who: typeof oldPerson | typeof oldAdministrator = oldAdministrator,
) =>
  fetch(`${berth.url}${path}`, {
    method,
    headers: {
      authorization: basic(who.name, who.password),
      ...(json ? { "content-type": "application/json" } : {}),
    },
    ...(json ? { body: JSON.stringify(json) } : {}),
  });

/** What was pushed and not deleted, with its tags and what refers to it. */
async function expectAll(berth: RunningRegistry): Promise<void> {
  const client = clientOf(berth, oldAdministrator);
  for (const [repository, { bytes, blobs }] of [
    [app, amd64],
    [app, arm64],
    [app, index],
    [app, referrer],
    [web, oldContent.web],
  ] as const) {
    expect((await client.getManifest(repository, digestOf(bytes))).bytes).toEqual(bytes);
    for (const blob of blobs) {
      expect(await readBlob(client, repository, { digest: digestOf(blob) })).toEqual(blob);
    }
  }
  for (const [repository, tag, { bytes }] of [
    [app, "1.0.0", amd64],
    [app, "1.1.0", arm64],
    [app, "multi", index],
    [app, "stable", index],
    [web, "1", oldContent.web],
  ] as const) {
    expect((await client.getTag(repository, parseTag(tag))).bytes).toEqual(bytes);
  }
  const referrers = await client.listReferrers(app, digestOf(index.bytes));
  expect(referrers.items).toMatchObject([
    { digest: digestOf(referrer.bytes), artifactType: "text/signature" },
  ]);
  expect((await client.listTags(app)).items).not.toContain(parseTag("unwanted"));
  const log = await ask(berth, "GET", "/api/v1/tags/log?repository=old/app&tag=stable");
  const periods = [index, amd64].map(({ bytes }) => ({ digest: digestOf(bytes) }));
  expect(await log.json()).toMatchObject({ periods });
  client.close();
}

/** What was deleted comes back, and is deleted again. */
async function bringBack(berth: RunningRegistry): Promise<void> {
  const digest = digestOf(removed.bytes);
  const back = await ask(berth, "POST", "/api/v1/manifests/undelete", { repository: app, digest });
  expect([back.status, await back.text()]).toEqual([200, expect.stringContaining(digest)]);
  const client = clientOf(berth, oldAdministrator);
  expect((await client.getTag(app, parseTag("gone"))).bytes).toEqual(removed.bytes);
  await client.deleteManifest(app, digest);
  client.close();
}

async function expectAccounts(berth: RunningRegistry): Promise<void> {
  const ann = clientOf(berth, oldPerson);
  await ann.resolveTag(app, parseTag("multi"));
  await expect(ann.deleteTag(app, parseTag("multi"))).rejects.toMatchObject({ code: "DENIED" });
  ann.close();
  const record = await ask(berth, "GET", "/api/v1/audit/verification");
  expect(await record.json()).toMatchObject({ whole: true });
  const tokens = await ask(berth, "GET", "/api/v1/accounts/ann/tokens");
  expect(await tokens.json()).toMatchObject({ tokens: [{ name: "ci" }] });
}

/** The upload that was under way goes on where it was. */
async function endUpload(berth: RunningRegistry, data: string): Promise<void> {
  const [file = ""] = await readdir(join(data, "uploads"));
  const place = `/v2/old/web/blobs/uploads/${file.split(".")[0]}`;
  expect((await ask(berth, "GET", place)).headers.get("range")).toBe(`0-${begun.byteLength - 1}`);
  expect((await ask(berth, "PUT", `${place}?digest=${digestOf(begun)}`)).status).toBe(201);
}

/** Versions that were there before there were rules count, too: an older one moves nothing but its own line. */
async function expectRules(berth: RunningRegistry): Promise<void> {
  const client = clientOf(berth, oldAdministrator);
  const digestAt = async (tag: string) => (await client.resolveTag(app, parseTag(tag))).digest;
  const digest = digestOf(referrer.bytes);
  await pushBytes(client, app, referrer.bytes, [parseTag("1.0.5")]);
  const newest = digestOf(arm64.bytes);
  expect(await Promise.all(["1.0", "1", "latest"].map(digestAt))).toEqual([digest, newest, newest]);
  await pushBytes(client, app, referrer.bytes, [parseTag("1.2.0")]);
  expect(await Promise.all(["1.0", "1", "latest"].map(digestAt))).toEqual([digest, digest, digest]);
  client.close();
}

/** What nothing needs goes, and nothing else; what an older version did not know to be such is in the queue. */
async function collect(berth: RunningRegistry, data: string, version: number): Promise<void> {
  const run = await ask(berth, "POST", "/api/v1/gc/runs", { graceSeconds: 0 });
  expect(await run.json()).toMatchObject({ outcome: "done" });
  const [, layer] = removed.blobs;
  expect(layer && (await blobsOnDisk(data)).includes(digestOf(layer))).toBe(version < since.removed);
  using db = new Database(join(data, "metadata.db"), { readwrite: true });
  const forgotten = db.query(
    `SELECT blob_id FROM blob_links l WHERE queued = 0 AND NOT EXISTS
      (SELECT 1 FROM manifest_blobs e WHERE e.blob_id = l.blob_id AND e.repository_id = l.repository_id)`,
  );
  expect(forgotten.all()).toEqual([]);
}

/** Tables with their columns, indexes and triggers; of a new database in memory. */
function schemaOf(path: string): unknown {
  using db = new Database(path, { create: true, readwrite: true });
  if (path === ":memory:") migrate(db);
  const tables = db
    .query(
      "SELECT m.name AS 'table', c.name, c.type, c.'notnull', c.pk FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.name",
    )
    .all();
  const others = db
    .query(
      "SELECT sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY sql",
    )
    .all();
  return { tables, others };
}
