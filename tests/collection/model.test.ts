import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../../src/oci/digests.ts";
import { parseRepositoryName } from "../../src/oci/names.ts";
import { digestOf } from "../../src/registry/hash.ts";
import type { Keeping, Store } from "../../src/store/store.ts";
import {
  blobOf,
  type CollectedStore,
  fileSize,
  keepNothing,
  openCollectedStore,
} from "../fixtures/collections.ts";
import { type Actor, createActor, randomOf } from "./actor.ts";

setDefaultTimeout(60_000);

const hour = 3_600_000;
const tenYears = 10 * 365 * 24 * hour;
const repositories = ["a/one", "a/two", "b/three", "b/four"].map(parseRepositoryName);
const rounds = 4;
const steps = 30;

/** Few blobs, so that they are pushed, deleted and collected again and again; half of them have files. */
const contents = new Map<Digest, Uint8Array>(
  Array.from({ length: 10 }, (_, at) => blobOf(`blob ${at}`, at % 2 === 0 ? 100 + at : fileSize + at)).map(
    (bytes) => [digestOf(bytes), bytes],
  ),
);

/**
 * Collects again and again until the round is over, for as long as the store keeps things behind the time when the round
 * began: what was told or deleted before is given up.
 */
async function collectBeside(
  { stores, keep }: CollectedStore,
  state: { isOver: boolean; readonly since: number },
): Promise<void> {
  for (let run = 0; !state.isOver; run++) {
    const { metadata, collector } = stores[run % stores.length] as Store; // safe: there is one at least
    const { collection } = metadata;
    const { id } = await collection.startRun({ actor: "model", graceMs: keep.graceMs, slot: 0 });
    const now = keep.toldMs === 0 ? Date.now() : state.since + keep.toldMs;
    await collection.collect(id, { now, graceMs: keep.graceMs });
    await collection.endRun(id, "done");
    await Bun.sleep(run % 3); // pushes come between the two steps
    await (await collector.start({ actor: "model", graceMs: tenYears })).ended;
  }
}

async function runRound(collected: CollectedStore, actors: readonly Actor[]): Promise<void> {
  const state = { isOver: false, since: Date.now() };
  await Bun.sleep(2); // what is told from now on is told after `since`
  for (const actor of actors) actor.letGo();
  const collecting = collectBeside(collected, state);
  const acting = actors.map(async (actor) => {
    for (let step = 0; step < steps; step++) await actor.act();
  });
  await Promise.all(acting).finally(() => {
    state.isOver = true;
  });
  await collecting;
  for (const actor of actors) await actor.check();
}

/** After all times are over: what is referenced is there, and nothing else. */
async function expectExactlyWhatIsNeeded(collected: CollectedStore, actors: readonly Actor[]): Promise<void> {
  await collected.collect(3 * hour);
  for (const actor of actors) {
    actor.letGo();
    actor.model.removed.clear();
    await actor.check();
  }
  const needed = new Set<Digest>();
  const usage = actors.map(({ repository, model }) => {
    const blobs = new Set([...model.manifests.values()].flatMap((manifest) => manifest.blobs));
    for (const blob of blobs) needed.add(blob);
    const sizes = [...blobs].map((digest) => contents.get(digest)?.length ?? 0);
    const manifests = [...model.manifests.values()].map(({ bytes }) => bytes.length);
    return { repository, bytes: [...sizes, ...manifests].reduce((sum, size) => sum + size, 0) };
  });
  const { metadata } = collected.store;
  const files = [...needed].filter((digest) => (contents.get(digest)?.length ?? 0) >= fileSize);
  expect(await collected.filesOnDisk()).toEqual(files.toSorted());
  expect(await readdir(join(collected.folder, "uploads"))).toEqual([]);
  const blobBytes = [...needed].reduce((sum, digest) => sum + (contents.get(digest)?.length ?? 0), 0);
  expect(await metadata.totals()).toMatchObject({ blobs: needed.size, blobBytes });
  const held = (await metadata.listUsage({ limit: 99 })).items.filter(({ bytes }) => bytes > 0);
  expect(held).toEqual(
    usage
      .filter(({ bytes }) => bytes > 0)
      .toSorted((one, other) => (one.repository < other.repository ? -1 : 1)),
  );
  expect(await metadata.collection.backlog()).toMatchObject({ removedManifests: 0, reviews: 0, files: 0 });
}

async function runModel(seed: number, keep: Keeping): Promise<void> {
  const collected = await openCollectedStore(keep, 2);
  try {
    const random = randomOf(seed);
    const { stores } = collected;
    const actors = repositories.map((repository) =>
      createActor({
        ...{
          repository,
          stores,
          contents,
          random,
          keepsTold: keep.toldMs > 0,
          keepsRemoved: keep.graceMs > 0,
        },
        others: repositories.filter((each) => each !== repository),
      }),
    );
    for (let round = 1; round <= rounds; round++) {
      await runRound(collected, actors);
      if (round % 2 === 0) await expectExactlyWhatIsNeeded(collected, actors);
    }
  } finally {
    await collected.close();
  }
}

const seeds = [1, 2, Date.now() % 1_000_000];

describe("collections beside everything else, from two workers", () => {
  test.each(seeds)("no push or undelete fails that relied on what was told, seed %d", (seed) =>
    runModel(seed, { graceMs: hour, toldMs: hour, uploadedMs: hour }),
  );

  test.each(seeds)("no push fails that relied on what was told, and nothing comes back, seed %d", (seed) =>
    runModel(seed, { graceMs: 0, toldMs: hour, uploadedMs: hour }),
  );

  test.each(seeds)("what is referenced stays and all else goes, with no time to wait, seed %d", (seed) =>
    runModel(seed, keepNothing),
  );
});
