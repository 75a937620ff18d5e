import { setImmediate as yieldTurn } from "node:timers/promises";
import type { Digest } from "../../src/oci/digests.ts";
import { type ErrorCode, isRegistryError } from "../../src/oci/errors.ts";
import { mediaTypes } from "../../src/oci/media-types.ts";
import type { RepositoryName, Tag } from "../../src/oci/names.ts";
import { digestOf } from "../../src/registry/hash.ts";
import { streamOf } from "../../src/registry/streams.ts";
import type { TagPlanLine } from "../../src/store/metadata/tag-policy.ts";
import type { Store } from "../../src/store/store.ts";
import { imageOf } from "../fixtures/collections.ts";
import { type ModelClock, type ModelManifest, oneOf, type Random, type RepositoryModel } from "./model.ts";

export interface ActorOptions {
  readonly model: RepositoryModel;
  readonly clock: ModelClock;
  /** Repositories of others, to mount from. */
  readonly others: readonly RepositoryName[];
  /** Workers, asked in turn. */
  readonly stores: readonly Store[];
  /** All blobs that there may be, by digest. */
  readonly contents: ReadonlyMap<Digest, Uint8Array>;
  readonly random: Random;
  /** Whether what was told stays for some time: then no push may fail. */
  readonly keepsTold: boolean;
  /** Whether what was deleted does: then no undelete may fail. */
  readonly keepsRemoved: boolean;
}

const tags = ["1", "2", "latest"] as Tag[]; // safe: they are tags
/** With more manifests than these, more are deleted than pushed. */
const crowd = 5;
/** Where nothing that was told is kept, a push may find something gone again and again, and is given up. */
const mostAttempts = 10;

/** What an actor stands on. */
type World = ReturnType<typeof createWorld>;

function createWorld({ model, clock, stores, contents, random }: ActorOptions) {
  let calls = 0;
  let made = 0;
  const store = () => stores[calls++ % stores.length] as Store; // safe: there is one at least
  return {
    ...{ model, store, random },
    registry: () => store().registry,
    bytesOf: (digest: Digest) => contents.get(digest) ?? new Uint8Array(),
    /** Another one each time. */
    nextName: () => `number ${made++}`,
    one: <T>(items: Iterable<T>): T | undefined => oneOf(random, items),
    /** The time is not moved on to these times while the action goes on. */
    relyOn(times: readonly number[]): void {
      clock.relied.set(model, Math.min(clock.relied.get(model) ?? Number.POSITIVE_INFINITY, ...times));
    },
    isRecent: (at: number): boolean => at > clock.since,
    /** Does something that may change where these tags are. */
    async moving<T>(moved: readonly Tag[], act: () => Promise<T>): Promise<T> {
      for (const tag of moved) model.moving.add(tag);
      try {
        return await act();
      } finally {
        for (const tag of moved) model.moving.delete(tag);
      }
    },
  };
}

/** Gets blobs and manifests in, as clients do. */
function createPushes({ model, others, contents, keepsTold }: ActorOptions, world: World) {
  const { registry, random, one, bytesOf, nextName, relyOn, isRecent, moving } = world;
  const { repository } = model;

  const upload = async (digest: Digest): Promise<void> => {
    const bytes = bytesOf(digest);
    if (random(2) === 0) {
      await registry().putBlob(repository, { digest, size: bytes.length }, streamOf(bytes));
      return;
    }
    const { id } = await registry().startUpload(repository);
    await registry().appendUpload(repository, id, streamOf(bytes), { offset: 0 });
    await registry().finishUpload(repository, id, digest);
  };

  /** Asks, mounts, and uploads what is not there. */
  const ensureBlob = async (digest: Digest): Promise<void> => {
    const at = Date.now();
    if (!(await settles(() => registry().resolveBlob(repository, digest), "BLOB_UNKNOWN"))) {
      const from = random(2) === 0 ? one(others) : undefined;
      const mounted = await registry().mountBlob(repository, digest, from ? { from } : {});
      if (!mounted) await upload(digest);
    }
    model.told.set(digest, at);
  };

  /** Resolves to whether it was taken; where what was told is kept, it has to be. */
  const put = async (manifest: ModelManifest): Promise<boolean> => {
    const { bytes, mediaType, blobs } = manifest;
    const digest = digestOf(bytes);
    const tag = random(3) === 0 ? undefined : one(tags);
    const at = Date.now();
    return moving(tag === undefined ? [] : [tag], async () => {
      const input = { bytes, mediaType, tags: tag === undefined ? [] : [tag] };
      const attempt = () => registry().putManifest(repository, input);
      if (keepsTold) await attempt();
      else if (!(await settles(attempt, "MANIFEST_BLOB_UNKNOWN"))) return false;
      model.manifests.set(digest, manifest);
      model.removed.delete(digest);
      for (const blob of blobs) model.told.set(blob, at);
      if (tag !== undefined) model.tags.set(tag, digest);
      return true;
    });
  };

  const imageFrom = (blobs: readonly Digest[], further: object): ModelManifest => ({
    ...{ bytes: imageOf(blobs.map(bytesOf), further).bytes, mediaType: mediaTypes.ociManifest },
    ...{ blobs: [...new Set(blobs)], children: [] },
  });
  const named = () => ({ annotations: { name: `${repository} ${nextName()}` } });

  return {
    async push() {
      const blobs = Array.from({ length: 1 + random(4) }, () => one(contents.keys()) as Digest); // safe: there are some
      const about = random(4) === 0 ? one([...model.manifests, ...model.removed]) : undefined;
      const [subject, { mediaType, bytes }] = about ?? [undefined, { mediaType: "", bytes: "" }];
      const refersTo = subject && { subject: { mediaType, digest: subject, size: bytes.length } };
      const image = imageFrom(blobs, { ...(random(3) === 0 ? {} : named()), ...refersTo });
      for (let attempt = 0; attempt < mostAttempts; attempt++) {
        for (const digest of blobs) await ensureBlob(digest);
        for (let turns = random(4); turns > 0; turns--) await yieldTurn(); // others come between
        if (await put(subject ? { ...image, subject } : image)) return;
      }
    },
    async pushWhatWasTold() {
      const known = [...model.told].filter(([, at]) => isRecent(at) && random(2) === 0).slice(0, 3);
      if (known.length === 0) return;
      relyOn(known.map(([, at]) => at));
      await put(
        imageFrom(
          known.map(([digest]) => digest),
          named(),
        ),
      );
    },
    async pushIndex() {
      const chosen = [...model.manifests].filter(() => random(6) === 0);
      const manifests = chosen.map(([digest, { mediaType, bytes }]) => ({
        ...{ mediaType, digest, size: bytes.length },
      }));
      const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests, ...named() };
      const bytes = new TextEncoder().encode(JSON.stringify(index));
      const children = chosen.map(([digest]) => digest);
      await put({ bytes, mediaType: mediaTypes.ociIndex, blobs: [], children });
    },
    async ask() {
      const digest = one(contents.keys());
      const at = Date.now();
      if (digest && (await settles(() => registry().resolveBlob(repository, digest), "BLOB_UNKNOWN")))
        model.told.set(digest, at);
    },
  };
}

/** Takes away, brings back and moves. */
function createChanges({ model, contents, keepsRemoved }: ActorOptions, world: World) {
  const { store, registry, one, random, relyOn, isRecent, moving } = world;
  const { repository } = model;

  const remove = async (digest: Digest): Promise<void> => {
    const manifest = model.manifests.get(digest);
    if (!manifest) return;
    const isListed = [...model.manifests.values()].some(({ children }) => children.includes(digest));
    const tagged = [...model.tags].flatMap(([tag, at]) => (at === digest ? [tag] : []));
    const at = Date.now();
    model.leaving.add(digest);
    model.removals.set(digest, (model.removals.get(digest) ?? 0) + 1);
    await moving(tagged, async () => {
      const isDone = await settles(() => registry().deleteManifest(repository, digest), "UNSUPPORTED");
      if (isDone === isListed) throw new Error(`${digest} was ${isDone ? "" : "not "}deleted`);
      if (isDone) {
        model.manifests.delete(digest);
        model.removed.set(digest, { ...manifest, at });
        for (const tag of tagged) model.tags.delete(tag);
      }
    });
    model.leaving.delete(digest);
  };

  /** What has to come back with a deleted manifest, and since when it is deleted; undefined when something is gone. */
  const timesOf = (digest: Digest): readonly number[] | undefined => {
    if (model.manifests.has(digest)) return [];
    const manifest = model.removed.get(digest);
    if (!manifest || !isRecent(manifest.at)) return undefined;
    const below = manifest.children.map(timesOf);
    return below.includes(undefined) ? undefined : [manifest.at, ...below.flatMap((times) => times ?? [])];
  };
  const bringBack = (digest: Digest): void => {
    const removed = model.removed.get(digest);
    if (!removed) return;
    const { at: _, ...manifest } = removed;
    model.removed.delete(digest);
    model.manifests.set(digest, manifest);
    for (const child of manifest.children) bringBack(child);
  };

  return {
    async move() {
      const [tag, to] = [one(tags), one(model.manifests.keys())];
      if (tag === undefined || to === undefined || !model.tags.has(tag)) return;
      await moving([tag], async () => {
        await store().metadata.changeTags(repository, { kind: "move", tag, to }, { actor: "a" });
        model.tags.set(tag, to);
      });
    },
    async untag() {
      const tag = one(model.tags.keys());
      if (tag === undefined) return;
      await moving([tag], async () => {
        await registry().deleteTag(repository, tag);
        model.tags.delete(tag);
      });
    },
    async remove() {
      for (let left = model.manifests.size > crowd ? 3 : 1; left > 0; left--) {
        const digest = one(model.manifests.keys());
        if (digest) await remove(digest);
      }
    },
    /** The whole repository, now and then: what lists others first. */
    async removeAll() {
      if (random(8) > 0) return;
      for (let left = [...model.manifests]; left.length > 0; left = [...model.manifests]) {
        const listed = new Set(left.flatMap(([, { children }]) => children));
        for (const [digest] of left) if (!listed.has(digest)) await remove(digest);
      }
    },
    async undelete() {
      const digest = one(model.removed.keys());
      if (!digest) return;
      const times = timesOf(digest);
      if (times) relyOn(times);
      await moving(tags, async () => {
        const request = { kind: "undelete-manifest", digest } as const;
        const moved: TagPlanLine[] = [];
        const attempt = async () => {
          moved.push(...(await store().metadata.changeTags(repository, request, { actor: "a" })).lines);
        };
        if (keepsRemoved && times) await attempt();
        else if (!(await settles(attempt, "MANIFEST_UNKNOWN", "MANIFEST_BLOB_UNKNOWN"))) return;
        bringBack(digest);
        for (const { tag, to } of moved) if (to) model.tags.set(tag, to);
      });
    },
    /** Often one that somebody may want back. */
    async removeBlob() {
      const wanted = [...model.removed.values()].flatMap(({ blobs }) => blobs);
      const digest = one(wanted.length > 0 && random(2) === 0 ? wanted : contents.keys());
      if (!digest) return;
      const isNeeded = [...model.manifests.values()].some(({ blobs }) => blobs.includes(digest));
      const code = isNeeded ? "UNSUPPORTED" : "BLOB_UNKNOWN";
      if (await settles(() => registry().deleteBlob(repository, digest), code)) model.told.delete(digest);
    },
  };
}

/** Somebody who works on one repository, alone, and knows what has to be in it. */
export function createActor(options: ActorOptions) {
  const { model, clock } = options;
  const world = createWorld(options);
  const changes = createChanges(options, world);
  const actions: Readonly<Record<string, () => Promise<void>>> = {
    ...createPushes(options, world),
    ...changes,
  };
  const names = [...Object.keys(actions), "push", "push", "push", "undelete"];
  return {
    model,
    /** Does one thing by chance. */
    async act(): Promise<void> {
      clock.relied.set(model, Date.now());
      const name = model.manifests.size > crowd && options.random(2) === 0 ? "remove" : world.one(names);
      await actions[name ?? ""]?.();
      clock.relied.delete(model);
    },
  };
}

export type Actor = ReturnType<typeof createActor>;

/** Whether something is done; false when it fails with one of these codes. @throws any other failure */
async function settles(act: () => Promise<unknown>, ...codes: readonly ErrorCode[]): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (isRegistryError(error) && codes.includes(error.code)) return false;
    throw error;
  }
}
