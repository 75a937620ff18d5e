import { Database } from "bun:sqlite";
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { openSqliteMetadata } from "../../src/store/metadata/sqlite/sqlite.ts";
import { openStore } from "../../src/store/store.ts";
import { askToCollect } from "../../tests/fixtures/collections.ts";
import { makeContent, pull, pushImage } from "../load.ts";
import type { Bench } from "../measure.ts";
import { startBerth } from "../peers.ts";
import { quantile, type Row } from "../report.ts";

const garbage = 1000;
const garbageSize = 20_000;
const rounds = 5;
const layersEach = 5;

/** What collections cost: by what they remove, beside what is stored; and what pushes and pulls feel of them. */
export async function collectionRows({ folder }: Bench): Promise<Row[]> {
  return [await costRow(folder), ...(await latencyRows(folder))];
}

/** A whole run, with the rests that it takes, in a small store and in a large one. */
async function costRow(folder: string): Promise<Row> {
  const stores = [];
  for (const [peer, manifests] of [
    ["berth", 1000],
    ["berth, 200,000 manifests, 1,000,000 layers", 200_000],
  ] as const) {
    const data = join(folder, `collection-${manifests}`);
    const store = await openStore({ folder: data, keep: { graceMs: 0, toldMs: 0, uploadedMs: 0 } });
    fillMetadata(join(data, "metadata.db"), manifests);
    stores.push({ peer, data, store, samples: [] as number[] });
  }
  for (let round = 0; round < rounds; round++) {
    for (const { data, store, samples } of stores) {
      await makeGarbage(data, garbage, `${round}`);
      const began = performance.now();
      await (await store.collector.start({ actor: "bench" })).ended;
      samples.push(performance.now() - began);
      const [run] = await store.metadata.collection.listRuns(1);
      if (run?.blobs !== garbage) throw new Error(`${run?.blobs} blobs were collected, not ${garbage}`);
    }
  }
  for (const { store } of stores) await store.close();
  const name = `collect ${garbage.toLocaleString("en")} blobs`;
  return { name, unit: "ms", higherIsBetter: false, figures: stores };
}

/** Writes manifests with layers of their own as rows, as if they had been pushed. */
function fillMetadata(path: string, manifests: number): void {
  const db = new Database(path);
  db.run("PRAGMA synchronous = OFF");
  const numbers = (count: number) =>
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})`;
  const digest = (kind: string, number: string) =>
    `'sha256:${kind}' || substr('${"0".repeat(63)}' || ${number}, -63)`;
  db.transaction(() => {
    db.run("INSERT INTO repositories (name, created_at) VALUES ('large/store', 0)");
    db.run(
      `${numbers(manifests)} INSERT INTO manifests (id, repository_id, digest, media_type, size, pushed_at, bytes)
       SELECT i, 1, ${digest("a", "i")}, 'application/vnd.oci.image.manifest.v1+json', 2, 0, CAST('{}' AS BLOB) FROM n`,
    );
    db.run(
      `${numbers(manifests * layersEach)} INSERT INTO blobs (id, digest, size, stored_at)
       SELECT i, ${digest("b", "i")}, 1000, 0 FROM n`,
    );
    db.run(
      "INSERT INTO blob_links (repository_id, blob_id, linked_at, unclaimed) SELECT 1, id, 0, 0 FROM blobs",
    );
    db.run(`INSERT INTO manifest_blobs SELECT (id - 1) / ${layersEach} + 1, id, 1 FROM blobs`);
  })();
  db.run("PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
}

/** Writes blobs with files that no manifest names, whose time is over. */
async function makeGarbage(data: string, count: number, name: string): Promise<void> {
  const bytes = Buffer.alloc(garbageSize, 7);
  const digests = Array.from({ length: count }, (_, at) =>
    createHash("sha256").update(`${name} ${at}`).digest("hex"),
  );
  for (const encoded of digests) {
    const file = join(data, "blobs", "sha256", encoded.slice(0, 2), encoded);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, bytes);
  }
  const db = new Database(join(data, "metadata.db"));
  db.run("PRAGMA busy_timeout = 10000");
  const blob = db.prepare<{ id: number }, [string, number]>(
    "INSERT INTO blobs (digest, size, stored_at) VALUES (?, ?, 0) RETURNING id",
  );
  const link = db.prepare(
    "INSERT INTO blob_links (repository_id, blob_id, linked_at, unclaimed, held_until, queued) VALUES (1, ?, 0, 1, 1, 1)",
  );
  db.transaction(() => {
    db.run("INSERT OR IGNORE INTO repositories (id, name, created_at) VALUES (1, 'large/store', 0)");
    for (const encoded of digests) link.run(blob.get(`sha256:${encoded}`, garbageSize)?.id ?? 0);
  }).immediate();
  db.close();
}

const latencyRounds = 10;
const pushesEach = 40;
const pullsEach = 150;
const laterGarbage = 15_000;

/** Pushes and pulls by turns, while a collection runs and while none may. */
async function latencyRows(folder: string): Promise<Row[]> {
  const data = join(folder, "collection-latency");
  await (await openStore({ folder: data })).close();
  await makeGarbage(data, laterGarbage, "later");
  await writeFile(join(folder, "collection.yaml"), "gc: { grace: 0s, lease: 0s, every: never }\n");
  const berth = await startBerth(data, ["--config", join(folder, "collection.yaml")]);
  const { url } = berth;
  const metadata = openSqliteMetadata(join(data, "metadata.db"));
  const layer = makeContent(100_000);
  await pushImage(url, "pulled/app", "1", [layer]);
  const push = figuresOf("push an image of one 100 kB layer");
  const fetchLayer = figuresOf("pull a 100 kB layer");
  try {
    for (let round = 0; round < latencyRounds; round++) {
      for (const isBeside of [false, true]) {
        const hold = isBeside ? undefined : await metadata.collection.hold("bench", inAMinute());
        const begun = isBeside ? beginRun(url) : undefined;
        await untilRunning(url, isBeside);
        for (let at = 0; at < pushesEach; at++) {
          const content = makeContent(100_000);
          await timed(push, isBeside, () => pushImage(url, "pushed/app", "1", [content]));
        }
        for (let at = 0; at < pullsEach; at++) {
          await timed(fetchLayer, isBeside, () => pull(`${url}/v2/pulled/app/blobs/${layer.digest}`));
        }
        await begun;
        if (isBeside && !(await isRunning(url))) throw new Error("the collection ended too early");
        if (hold !== undefined) await metadata.collection.releaseHold(hold);
      }
    }
  } finally {
    await metadata.close();
    await berth.process.stop();
  }
  return [push, fetchLayer].map(({ name, without, beside }) => ({
    ...{ name, unit: "ms", higherIsBetter: false },
    figures: [
      { peer: "berth", samples: without, note: tailOf(without) },
      { peer: "berth, while it collects", samples: beside, note: tailOf(beside) },
    ],
  }));
}

const tailOf = (samples: readonly number[]) => `p95 ${quantile(samples, 0.95).toFixed(2)} ms`;

interface Lanes {
  readonly name: string;
  readonly without: number[];
  readonly beside: number[];
}

const figuresOf = (name: string): Lanes => ({ name, without: [], beside: [] });
const inAMinute = () => new Date(Date.now() + 60_000);

async function timed(lanes: Lanes, isBeside: boolean, act: () => Promise<unknown>): Promise<void> {
  const began = performance.now();
  await act();
  (isBeside ? lanes.beside : lanes.without).push(performance.now() - began);
}

/** A run that somebody's hold ended is begun again; it answers after a second, or when it is done. */
async function beginRun(url: string): Promise<void> {
  const answer = await askToCollect(url);
  if (answer.status !== 200) throw new Error(`gc: ${answer.status} ${await answer.text()}`);
}

async function isRunning(url: string): Promise<boolean> {
  const { runs } = (await (await fetch(`${url}/api/v1/gc`)).json()) as { runs: { endedAt?: string }[] }; // as it promises
  return runs[0] !== undefined && runs[0].endedAt === undefined;
}

async function untilRunning(url: string, wanted: boolean): Promise<void> {
  while ((await isRunning(url)) !== wanted) await Bun.sleep(5);
}
