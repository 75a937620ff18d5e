import { createBlobs } from "./memory/blobs.ts";
import { createManifests } from "./memory/manifests.ts";
import { createReferrers } from "./memory/referrers.ts";
import { createRepositoryLister, type MemoryState } from "./memory/repositories.ts";
import { createTags } from "./memory/tags.ts";
import { createUploads } from "./memory/uploads.ts";
import type { Registry } from "./registry.ts";

/** Options of {@link createMemoryRegistry}. */
export interface MemoryRegistryOptions {
  /** After how long without a write an upload session ends, in milliseconds; an hour if absent. */
  readonly uploadLifetimeMs?: number;
  /** The clock, in milliseconds. */
  readonly now?: () => number;
}

/** A registry in memory. */
export interface MemoryRegistry extends Registry {
  /** How many upload sessions are open. */
  openUploads(): number;
}

/** Makes an empty registry that lives as long as the object: for tests, and for what fits into memory. */
export function createMemoryRegistry(options: MemoryRegistryOptions = {}): MemoryRegistry {
  const { uploadLifetimeMs = 60 * 60 * 1000, now = Date.now } = options;
  const state: MemoryState = { repositories: new Map(), blobs: new Map() };
  const { count, ...uploads } = createUploads(state, { lifetimeMs: uploadLifetimeMs, now });
  return {
    ...createBlobs(state),
    ...uploads,
    ...createManifests(state),
    ...createTags(state),
    ...createReferrers(state),
    ...createRepositoryLister(state),
    openUploads: count,
  };
}
