import type { Digest } from "../../src/oci/digests.ts";
import { type ErrorCode, isRegistryError } from "../../src/oci/errors.ts";
import { mediaTypes } from "../../src/oci/media-types.ts";
import type { RepositoryName, Tag } from "../../src/oci/names.ts";
import { digestOf } from "../../src/registry/hash.ts";
import { streamOf } from "../../src/registry/streams.ts";
import type { TagPlanLine } from "../../src/store/metadata/tag-policy.ts";
import type { Store } from "../../src/store/store.ts";
import { imageOf } from "../fixtures/collections.ts";
import { seededRandom } from "../fixtures/faulty-proxy.ts";

/** What a repository is believed to hold. */
export interface RepositoryModel {
  readonly manifests: Map<Digest, ModelManifest>;
  readonly tags: Map<Tag, Digest>;
  /** Deleted manifests, and whether that was since the last time that everything older was given up. */
  readonly removed: Map<Digest, ModelManifest & { isRecent: boolean }>;
  /** Blobs of which somebody was told that they are here, since then. */
  readonly told: Set<Digest>;
}

export interface ModelManifest {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly blobs: readonly Digest[];
  readonly children: readonly Digest[];
}

/** A source of random numbers that gives the same ones again for the same seed. */
export type Random = (below: number) => number;

export function randomOf(seed: number): Random {
  const next = seededRandom(seed);
  return (below) => (next() * 2 ** 32) % below;
}

export interface ActorOptions {
  readonly repository: RepositoryName;
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

/** What an actor stands on. */
type World = ReturnType<typeof createWorld>;

function createWorld({ stores, contents, random }: ActorOptions) {
  const model: RepositoryModel = {
    ...{ manifests: new Map(), tags: new Map(), removed: new Map(), told: new Set() },
  };
  let calls = 0;
  let made = 0;
  const store = () => stores[calls++ % stores.length] as Store; // safe: there is one at least
  return {
    ...{ model, store, random },
    registry: () => store().registry,
    bytesOf: (digest: Digest) => contents.get(digest) ?? new Uint8Array(),
    /** Another one each time. */
    nextName: () => `number ${made++}`,
    oneOf<T>(items: Iterable<T>): T | undefined {
      const all = [...items];
      return all[random(Math.max(1, all.length))];
    },
  };
}

/** Gets blobs and manifests in, as clients do. */
function createPushes({ repository, others, contents, keepsTold }: ActorOptions, world: World) {
  const { model, registry, random, oneOf, bytesOf, nextName } = world;

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
    if (!(await settles(() => registry().resolveBlob(repository, digest), "BLOB_UNKNOWN"))) {
      const from = random(2) === 0 ? oneOf(others) : undefined;
      const mounted = await registry().mountBlob(repository, digest, from ? { from } : {});
      if (!mounted) await upload(digest);
    }
    model.told.add(digest);
  };

  /** Resolves to whether it was taken; where what was told is kept, it has to be. */
  const put = async (manifest: ModelManifest): Promise<boolean> => {
    const { bytes, mediaType, blobs } = manifest;
    const digest = digestOf(bytes);
    const tag = random(3) === 0 ? undefined : oneOf(tags);
    const input = { bytes, mediaType, tags: tag === undefined ? [] : [tag] };
    const attempt = () => registry().putManifest(repository, input);
    if (keepsTold) await attempt();
    else if (!(await settles(attempt, "MANIFEST_BLOB_UNKNOWN"))) return false;
    model.manifests.set(digest, manifest);
    model.removed.delete(digest);
    for (const blob of blobs) model.told.add(blob);
    if (tag !== undefined) model.tags.set(tag, digest);
    return true;
  };

  const imageFrom = (blobs: readonly Digest[], further: object): ModelManifest => ({
    ...{ bytes: imageOf(blobs.map(bytesOf), further).bytes, mediaType: mediaTypes.ociManifest },
    ...{ blobs: [...new Set(blobs)], children: [] },
  });
  const named = () => ({ annotations: { name: `${repository} ${nextName()}` } });

  return {
    async push() {
      const blobs = Array.from({ length: 1 + random(4) }, () => oneOf(contents.keys()) as Digest); // safe: there are some
      const subject = random(4) === 0 ? oneOf(model.manifests) : undefined;
      const refersTo = subject && {
        subject: { mediaType: subject[1].mediaType, digest: subject[0], size: subject[1].bytes.length },
      };
      const image = imageFrom(blobs, { ...(random(3) === 0 ? {} : named()), ...refersTo });
      do {
        for (const digest of blobs) await ensureBlob(digest);
        await Bun.sleep(random(3)); // others come between
      } while (!(await put(image)));
    },
    async pushWhatWasTold() {
      const blobs = [...model.told].filter(() => random(2) === 0).slice(0, 3);
      if (blobs.length > 0) await put(imageFrom(blobs, named()));
    },
    async pushIndex() {
      const chosen = [...model.manifests].filter(() => random(3) === 0);
      const manifests = chosen.map(([digest, { mediaType, bytes }]) => ({
        ...{ mediaType, digest, size: bytes.length },
      }));
      const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests, ...named() };
      const bytes = new TextEncoder().encode(JSON.stringify(index));
      const children = chosen.map(([digest]) => digest);
      await put({ bytes, mediaType: mediaTypes.ociIndex, blobs: [], children });
    },
    async ask() {
      const digest = oneOf(contents.keys());
      if (digest && (await settles(() => registry().resolveBlob(repository, digest), "BLOB_UNKNOWN")))
        model.told.add(digest);
    },
  };
}

/** Takes away, brings back and moves. */
function createChanges({ repository, contents, keepsRemoved }: ActorOptions, world: World) {
  const { model, store, registry, oneOf } = world;
  const isThereOrRecent = (digest: Digest): boolean =>
    model.manifests.has(digest) || (model.removed.get(digest)?.isRecent ?? false);
  const bringBack = (digest: Digest): void => {
    const manifest = model.removed.get(digest);
    if (!manifest) return;
    model.removed.delete(digest);
    model.manifests.set(digest, manifest);
    for (const child of manifest.children) bringBack(child);
  };

  return {
    async move() {
      const [tag, to] = [oneOf(tags), oneOf(model.manifests.keys())];
      if (tag === undefined || to === undefined || !model.tags.has(tag)) return;
      await store().metadata.changeTags(repository, { kind: "move", tag, to }, { actor: "a" });
      model.tags.set(tag, to);
    },
    async remove() {
      const digest = oneOf(model.manifests.keys());
      const manifest = digest && model.manifests.get(digest);
      if (!digest || !manifest) return;
      const isListed = [...model.manifests.values()].some(({ children }) => children.includes(digest));
      const isDone = await settles(() => registry().deleteManifest(repository, digest), "UNSUPPORTED");
      if (isDone === isListed) throw new Error(`${digest} was ${isDone ? "" : "not "}deleted`);
      if (!isDone) return;
      model.manifests.delete(digest);
      model.removed.set(digest, { ...manifest, isRecent: true });
      for (const [tag, at] of model.tags) if (at === digest) model.tags.delete(tag);
    },
    async undelete() {
      const digest = oneOf(model.removed.keys());
      const wanted = digest && model.removed.get(digest);
      if (!digest || !wanted) return;
      const request = { kind: "undelete-manifest", digest } as const;
      const moved: TagPlanLine[] = [];
      const attempt = async () => {
        moved.push(...(await store().metadata.changeTags(repository, request, { actor: "a" })).lines);
      };
      if (keepsRemoved && wanted.isRecent && wanted.children.every(isThereOrRecent)) await attempt();
      else if (!(await settles(attempt, "MANIFEST_UNKNOWN", "MANIFEST_BLOB_UNKNOWN"))) return;
      bringBack(digest);
      for (const { tag, to } of moved) if (to) model.tags.set(tag, to);
    },
    async removeBlob() {
      const digest = oneOf(contents.keys());
      if (!digest) return;
      const isNeeded = [...model.manifests.values()].some(({ blobs }) => blobs.includes(digest));
      const code = isNeeded ? "UNSUPPORTED" : "BLOB_UNKNOWN";
      if (await settles(() => registry().deleteBlob(repository, digest), code)) model.told.delete(digest);
    },
  };
}

/** Compares what is answered with what has to be. */
function createChecks({ repository }: ActorOptions, { model, registry, oneOf }: World) {
  /** @throws when the manifest or anything that it names is not answered byte for byte */
  const requireWhole = async (digest: Digest): Promise<void> => {
    const manifest = model.manifests.get(digest);
    const stored = await registry().getManifest(repository, digest);
    if (!manifest || Buffer.compare(stored.bytes, manifest.bytes) !== 0)
      throw new Error(`${digest} is another`);
    for (const blob of manifest.blobs) {
      const { source } = await registry().getBlob(repository, blob);
      if (source.kind !== "file" && source.kind !== "bytes") throw new Error(`${blob} is a ${source.kind}`);
      const bytes = source.kind === "bytes" ? source.bytes : await Bun.file(source.path).bytes();
      if (digestOf(bytes) !== blob) throw new Error(`${blob} of ${repository}@${digest} is damaged`);
    }
  };
  return {
    async pull() {
      const digest = oneOf(model.manifests.keys());
      if (digest) await requireWhole(digest);
    },
    /** @throws when something that has to be there is not */
    async check(): Promise<void> {
      for (const digest of model.manifests.keys()) await requireWhole(digest);
      for (const [tag, digest] of model.tags) {
        const found = await registry().resolveTag(repository, tag);
        if (found.digest !== digest)
          throw new Error(`${repository}:${tag} is at ${found.digest}, not ${digest}`);
      }
    },
  };
}

/** Somebody who works on one repository, alone, and knows what has to be in it. */
export function createActor(options: ActorOptions) {
  const world = createWorld(options);
  const { model, oneOf } = world;
  const { pull, check } = createChecks(options, world);
  const actions: Readonly<Record<string, () => Promise<void>>> = {
    ...createPushes(options, world),
    ...createChanges(options, world),
    pull,
  };
  return {
    ...{ repository: options.repository, model, check },
    /** Does one thing by chance. */
    async act(): Promise<void> {
      const name = oneOf([...Object.keys(actions), "push", "push", "remove", "pull"]) ?? "";
      await actions[name]?.();
    },
    /** What was deleted and told before may be gone from now on. */
    letGo(): void {
      model.told.clear();
      for (const manifest of model.removed.values()) manifest.isRecent = false;
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
