import type { Digest } from "../../src/oci/digests.ts";
import type { RepositoryName, Tag } from "../../src/oci/names.ts";
import { seededRandom } from "../fixtures/faulty-proxy.ts";

/** A manifest that a repository is believed to hold. */
export interface ModelManifest {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly blobs: readonly Digest[];
  readonly children: readonly Digest[];
  readonly subject?: Digest;
}

/** What a repository is believed to hold, by who alone works on it. What is changing right now is not surely so. */
export interface RepositoryModel {
  readonly repository: RepositoryName;
  readonly manifests: Map<Digest, ModelManifest>;
  readonly tags: Map<Tag, Digest>;
  /** Deleted manifests, and when at the earliest, in milliseconds since 1970. */
  readonly removed: Map<Digest, ModelManifest & { readonly at: number }>;
  /** Blobs of which somebody was told that they are here, and when at the earliest. */
  readonly told: Map<Digest, number>;
  /** Manifests that are being deleted. */
  readonly leaving: Set<Digest>;
  /** Tags that are being moved. */
  readonly moving: Set<Tag>;
  /** How often each manifest was deleted, or was to be. */
  readonly removals: Map<Digest, number>;
}

export function createModel(repository: RepositoryName): RepositoryModel {
  return {
    repository,
    ...{ manifests: new Map(), tags: new Map(), removed: new Map(), told: new Map() },
    ...{ leaving: new Set(), moving: new Set(), removals: new Map() },
  };
}

/**
 * The time that collections are given: what was told or deleted until `since` is given up. It follows behind the oldest
 * thing that somebody relies on who is at work.
 */
export interface ModelClock {
  since: number;
  /** By who is at work. */
  readonly relied: Map<object, number>;
}

/** Moves the time on as far as it can be, less some milliseconds. */
export function advance(clock: ModelClock, behindMs: number): void {
  const oldest = Math.min(Date.now(), ...clock.relied.values());
  clock.since = Math.max(clock.since, oldest - 1 - behindMs);
}

/** A source of random numbers that gives the same ones again for the same seed. */
export type Random = (below: number) => number;

export function randomOf(seed: number): Random {
  const next = seededRandom(seed);
  return (below) => (next() * 2 ** 32) % below;
}

export function oneOf<T>(random: Random, items: Iterable<T>): T | undefined {
  const all = [...items];
  return all[random(Math.max(1, all.length))];
}
