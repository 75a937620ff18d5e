import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as yieldTurn } from "node:timers/promises";
import type { Digest } from "../../src/oci/digests.ts";
import { parseRepositoryName } from "../../src/oci/names.ts";
import { digestOf } from "../../src/registry/hash.ts";
import { createBlobFiles } from "../../src/store/blobs/files.ts";
import { createFileRemoval } from "../../src/store/blobs/removal.ts";
import { type Collector, createCollector } from "../../src/store/collection/collector.ts";
import type { Keeping, Store } from "../../src/store/store.ts";
import {
  blobOf,
  type CollectedStore,
  fileSize,
  keepNothing,
  openCollectedStore,
} from "../fixtures/collections.ts";
import { type Actor, createActor } from "./actor.ts";
import { type Checks, createChecks } from "./checks.ts";
import { advance, createModel, type ModelClock, oneOf, type Random, randomOf } from "./model.ts";

/** `BERTH_MODEL_STEPS=50000 BERTH_MODEL_SEEDS=1,2,3` makes it long. */
const steps = Number(process.env.BERTH_MODEL_STEPS ?? 2000);
const seeds = process.env.BERTH_MODEL_SEEDS?.split(",").map(Number) ?? [1, 2, Date.now() % 1_000_000];
/** After so many steps everybody rests, and what is there is compared with what has to be, as a whole. */
const stepsBetween = 500;
setDefaultTimeout(Math.max(30_000, 20 * steps));

const hour = 3_600_000;
const repositories = ["a/one", "a/two", "b/three", "b/four"].map(parseRepositoryName);

/** Few blobs, so that they are pushed, deleted and collected again and again; half of them have files. */
const contents = new Map<Digest, Uint8Array>(
  Array.from({ length: 24 }, (_, at) => blobOf(`blob ${at}`, at % 2 === 0 ? 100 + at : fileSize + at)).map(
    (bytes) => [digestOf(bytes), bytes],
  ),
);

/** All who take part. */
interface Play {
  readonly collected: CollectedStore;
  readonly actors: readonly Actor[];
  readonly checks: Checks;
  readonly clock: ModelClock;
  readonly random: Random;
}

/** The collectors of all workers, which are told the time by the clock, and rest as short as can be. */
function createCollectors({ stores, folder, keep }: CollectedStore, clock: ModelClock): readonly Collector[] {
  const { pathOf } = createBlobFiles(join(folder, "blobs"));
  const troubled = (what: string): never => {
    throw new Error(what);
  };
  return stores.map(({ metadata }, slot) =>
    createCollector({
      ...{ metadata: metadata.collection, graceMs: keep.graceMs, slot, troubled },
      files: createFileRemoval(join(folder, "removed"), pathOf, troubled),
      now: () => (keep.toldMs === 0 ? Date.now() : clock.since + keep.toldMs),
      rest: () => yieldTurn(),
    }),
  );
}

/** Lets everybody work, beside collections and a check of everything that has to be there. */
async function act({ collected, actors, checks, clock, random }: Play, stepsEach: number): Promise<void> {
  let isOver = false;
  const collectors = createCollectors(collected, clock);
  const collecting = async (): Promise<void> => {
    for (let run = 0; !isOver; run++) {
      advance(clock, random(40));
      await (await collectors[run % collectors.length]?.start({ actor: "model" }))?.ended;
      for (let turns = random(20); turns > 0; turns--) await yieldTurn();
    }
  };
  const checking = async (): Promise<void> => {
    while (!isOver) {
      for (const { model } of actors) await checks.repository(model);
      await yieldTurn();
    }
  };
  const acting = async (actor: Actor): Promise<void> => {
    for (let step = 0; step < stepsEach && !isOver; step++) {
      await actor.act();
      const { model } = oneOf(random, actors) ?? actor;
      const digest = oneOf(random, model.manifests.keys());
      if (digest) await checks.manifest(model, digest);
    }
  };
  const over = (): void => {
    isOver = true;
  };
  const everybody = Promise.all(actors.map(acting));
  const ended = await Promise.allSettled(
    [everybody, collecting(), checking()].map((work) => work.finally(over)),
  );
  for (const each of ended) if (each.status === "rejected") throw each.reason;
}

/** After all times are over: what is referenced is there, and nothing else. */
async function expectExactlyWhatIsNeeded({ collected, actors, checks }: Play): Promise<void> {
  await collected.collect(3 * hour);
  const needed = new Set<Digest>();
  const usage = new Map<string, number>();
  for (const { model } of actors) {
    for (const kept of [model.told, model.removed]) kept.clear();
    await checks.repository(model);
    await checks.referrers(model);
    const blobs = new Set([...model.manifests.values()].flatMap((manifest) => manifest.blobs));
    for (const blob of blobs) needed.add(blob);
    const sizes = [...blobs].map((digest) => contents.get(digest)?.length ?? 0);
    const manifests = [...model.manifests.values()].map(({ bytes }) => bytes.length);
    usage.set(
      model.repository,
      [...sizes, ...manifests].reduce((sum, size) => sum + size, 0),
    );
  }
  const { metadata } = collected.store;
  const files = [...needed].filter((digest) => (contents.get(digest)?.length ?? 0) >= fileSize);
  expect(await collected.filesOnDisk()).toEqual(files.toSorted());
  expect(await readdir(join(collected.folder, "uploads"))).toEqual([]);
  const blobBytes = [...needed].reduce((sum, digest) => sum + (contents.get(digest)?.length ?? 0), 0);
  expect(await metadata.totals()).toMatchObject({ blobs: needed.size, blobBytes });
  const held = (await metadata.listUsage({ limit: 99 })).items.filter(({ bytes }) => bytes > 0);
  expect(new Map(held.map(({ repository, bytes }) => [repository as string, bytes]))).toEqual(
    new Map([...usage].filter(([, bytes]) => bytes > 0)),
  );
  expect(await metadata.collection.backlog()).toMatchObject({ removedManifests: 0, reviews: 0, files: 0 });
}

async function runModel(seed: number, keep: Keeping): Promise<void> {
  // In memory, where there is such a place: this is not about the disk, and a step then takes a fraction.
  const collected = await openCollectedStore(keep, 2, existsSync("/dev/shm") ? "/dev/shm" : tmpdir());
  try {
    const { stores } = collected;
    const clock: ModelClock = { since: 0, relied: new Map() };
    const actors = repositories.map((repository, at) =>
      createActor({
        ...{ model: createModel(repository), clock, stores, contents, random: randomOf(seed * 10 + at) },
        ...{ keepsTold: keep.toldMs > 0, keepsRemoved: keep.graceMs > 0 },
        others: repositories.filter((each) => each !== repository),
      }),
    );
    let turn = 0;
    const checks = createChecks(() => (stores[turn++ % stores.length] as Store).registry); // safe: there are two
    const play = { collected, actors, checks, clock, random: randomOf(seed * 10 + 9) };
    const { collection } = collected.store.metadata;
    let beside = 0;
    for (let done = 0; done < steps; done += stepsBetween) {
      const before = (await collection.backlog()).total.blobs;
      await act(play, Math.min(stepsBetween, steps - done) / actors.length);
      beside += (await collection.backlog()).total.blobs - before;
      await expectExactlyWhatIsNeeded(play);
    }
    expect(beside).toBeGreaterThan(steps / 100);
    expect(checks.count).toBeGreaterThan(steps);
    if (process.env.BERTH_MODEL_STEPS)
      console.log(`${beside} blobs went beside, ${checks.count} manifests were looked at`);
  } finally {
    await collected.close();
  }
}

describe(`collections beside everything else, ${steps} steps from two workers`, () => {
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
