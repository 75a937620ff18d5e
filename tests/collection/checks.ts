import { readFile } from "node:fs/promises";
import type { Digest } from "../../src/oci/digests.ts";
import type { Tag } from "../../src/oci/names.ts";
import { digestOf } from "../../src/registry/hash.ts";
import type { Registry } from "../../src/registry/registry.ts";
import type { RepositoryModel } from "./model.ts";

/** Compares what a registry answers with what has to be, while others change both. */
export interface Checks {
  /**
   * A manifest, byte for byte, with the bytes of every blob that it names, and its place among its subject's referrers.
   * @throws when that is not there, and the model said so all the time
   */
  manifest(model: RepositoryModel, digest: Digest): Promise<void>;
  /** All of a repository. @throws as above */
  repository(model: RepositoryModel): Promise<void>;
  /** What refers to each manifest that there is or was: nothing else. @throws when that differs; nobody is at work then */
  referrers(model: RepositoryModel): Promise<void>;
  /** How many manifests were looked at. */
  readonly count: number;
}

/** @param registry a worker's, another one each time */
export function createChecks(registry: () => Registry): Checks {
  let count = 0;

  const requireWhole = async (model: RepositoryModel, digest: Digest): Promise<void> => {
    const manifest = model.manifests.get(digest);
    if (!manifest) return;
    const { repository } = model;
    const name = `${repository}@${digest}`;
    const stored = await registry().getManifest(repository, digest);
    if (Buffer.compare(stored.bytes, manifest.bytes) !== 0) throw new Error(`${name} is another`);
    for (const blob of manifest.blobs) {
      const { source } = await registry().getBlob(repository, blob);
      if (source.kind !== "file" && source.kind !== "bytes") throw new Error(`${blob} is a ${source.kind}`);
      const bytes = source.kind === "bytes" ? source.bytes : await readFile(source.path);
      if (digestOf(bytes) !== blob) throw new Error(`${blob} of ${name} is damaged`);
    }
    if (!manifest.subject) return;
    const { items } = await registry().listReferrers(repository, manifest.subject);
    if (!items.some((item) => item.digest === digest))
      throw new Error(`${name} is no referrer of ${manifest.subject}`);
  };

  const manifest = async (model: RepositoryModel, digest: Digest): Promise<void> => {
    if (model.leaving.has(digest)) return;
    const removals = model.removals.get(digest);
    count++;
    try {
      await requireWhole(model, digest);
    } catch (error) {
      if (model.removals.get(digest) === removals) throw error;
    }
  };

  /** What a tag is at is read at once, and is sure while nobody moves it. */
  const tag = async (model: RepositoryModel, name: Tag): Promise<void> => {
    const digest = model.tags.get(name);
    if (digest === undefined || model.moving.has(name)) return;
    const found = await registry().resolveTag(model.repository, name);
    if (found.digest !== digest)
      throw new Error(`${model.repository}:${name} is at ${found.digest}, not ${digest}`);
  };

  const referrers = async (model: RepositoryModel): Promise<void> => {
    const expected = new Map<Digest, Digest[]>();
    for (const digest of [...model.manifests.keys(), ...model.removals.keys()]) expected.set(digest, []);
    for (const [digest, { subject }] of model.manifests) {
      if (subject) expected.set(subject, [...(expected.get(subject) ?? []), digest]);
    }
    for (const [subject, digests] of expected) {
      const { items } = await registry().listReferrers(model.repository, subject);
      const found = items.map(({ digest }) => digest);
      if (found.toSorted().join() !== digests.toSorted().join())
        throw new Error(`${model.repository}@${subject} is referred to by ${found}, not by ${digests}`);
    }
  };

  return {
    ...{ manifest, referrers },
    async repository(model) {
      for (const digest of [...model.manifests.keys()]) await manifest(model, digest);
      for (const name of [...model.tags.keys()]) await tag(model, name);
    },
    get count() {
      return count;
    },
  };
}
