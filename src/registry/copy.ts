import type { Descriptor, Platform } from "../oci/descriptors.ts";
import type { Digest } from "../oci/digests.ts";
import { isRegistryError } from "../oci/errors.ts";
import { isIndexType } from "../oci/media-types.ts";
import type { RepositoryName, Tag } from "../oci/names.ts";
import { createBlobCopier } from "./copy/blobs.ts";
import { choose, type Top } from "./copy/choice.ts";
import type { CopyEvent } from "./copy/events.ts";
import { createManifestCopier, type ManifestCopier } from "./copy/manifests.ts";
import type { Place } from "./copy/place.ts";
import { copyReferrers } from "./copy/referrers.ts";
import { createRun } from "./copy/run.ts";
import type { StoredManifest } from "./registry.ts";
import { verifyManifest } from "./verification.ts";

/** What to copy: a manifest by tag, or by digest. */
export type CopySource = Place & ({ readonly tag: Tag } | { readonly digest: Digest });

/** Where to copy it. */
export interface CopyDestination extends Place {
  /** Tags that point at the copy from then on; none to leave it untagged. */
  readonly tags: readonly Tag[];
}

/** Options of {@link copy}. */
export interface CopyOptions {
  readonly signal?: AbortSignal;
  /**
   * Platforms to choose from an index; all, if absent or empty. One platform is copied as the manifest that it is;
   * several as a new index that lists only these, and what BuildKit attests of them. An image that is no index has to
   * be of each.
   */
  readonly platforms?: readonly Platform[];
  /**
   * Copies all referrers of what is copied too, and theirs: signatures, SBOMs. Those of an index from which platforms
   * were chosen stay behind, because they speak of another index. Not done if absent.
   */
  readonly referrers?: boolean;
  /** The most blobs that are sent at a time, at least 1; 4 if absent. */
  readonly concurrency?: number;
  /**
   * Repositories of the destination's registry that may hold a blob, the likeliest first: a blob that the destination
   * lacks is mounted from there. `undefined` is any repository, for registries where asking that costs nothing. Within
   * one registry it is the source's repository, and this is not asked.
   */
  readonly mountsFrom?: (digest: Digest) => readonly (RepositoryName | undefined)[];
  /** Told what happens, synchronously. What it throws ends the copy. */
  readonly onEvent?: (event: CopyEvent) => void;
}

/** What a copy led to. */
export interface CopyResult {
  /** The copied manifest; not the source's when several platforms were chosen. */
  readonly descriptor: Descriptor;
  /** The tags that point at it now. */
  readonly tags: readonly Tag[];
  /** Bytes of blobs that were sent. */
  readonly bytesSent: number;
  /** What the person who copied should know. */
  readonly warnings: readonly string[];
}

/**
 * Copies an image, index or artifact from one repository to another, moving only what is missing there: what the
 * destination has is skipped, what its registry has elsewhere is mounted, the rest is sent, every digest and size verified
 * as the bytes pass. A manifest goes after all that it names and after its referrers; the tags move together with the
 * top manifest, last. Foreign layers are left where they are.
 *
 * Memory: two pieces of each blob that is on its way, and the manifests. After a rejection nothing is going on any
 * more, and no tag has moved; copying again goes on with what is still missing.
 * @throws RegistryError MANIFEST_UNKNOWN, NAME_UNKNOWN or BLOB_UNKNOWN when the source lacks something or a platform;
 *   DIGEST_INVALID or SIZE_INVALID when it sends other bytes; whatever the destination throws
 */
export async function copy(
  source: CopySource,
  destination: CopyDestination,
  options: CopyOptions = {},
): Promise<CopyResult> {
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(options.signal?.reason);
  if (options.signal?.aborted) onAbort();
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    stop.signal.throwIfAborted();
    const found = await getTop(source, stop.signal);
    const top = await choose(source, found, options.platforms ?? [], stop.signal);
    return await copyTop(source, destination, top, options, stop);
  } catch (error) {
    throw stop.signal.aborted ? stop.signal.reason : error; // the first failure, of which others are the echo
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
  }
}

async function getTop(source: CopySource, signal: AbortSignal): Promise<StoredManifest> {
  const { registry, repository } = source;
  const stored =
    "digest" in source
      ? await registry.getManifest(repository, source.digest, { signal })
      : await registry.getTag(repository, source.tag, { signal });
  const digest = "digest" in source ? source.digest : stored.descriptor.digest;
  verifyManifest(stored, { ...stored.descriptor, digest });
  return stored;
}

async function copyTop(
  source: CopySource,
  destination: CopyDestination,
  { stored, isMade }: Top,
  { referrers = false, concurrency = 4, mountsFrom, onEvent }: CopyOptions,
  stop: AbortController,
): Promise<CopyResult> {
  const run = createRun({ source, destination, stop, mountsFrom, onEvent });
  const blobs = createBlobCopier(run, concurrency);
  const manifests = createManifestCopier(run, blobs, referrers);
  const { descriptor } = stored;
  run.announce(descriptor);
  const exists = await manifests.isAtDestination(descriptor.digest);
  if (!exists || (referrers && isIndexType(descriptor.mediaType))) await manifests.copyNeeds(stored);
  const warnings = referrers ? await copyReferrers(run, manifests, isMade ? [] : [descriptor.digest]) : [];
  const result = exists
    ? await moveTags(manifests, stored, destination.tags)
    : await manifests.put(stored, destination.tags);
  run.report({ state: exists ? "exists" : "done", descriptor });
  return {
    descriptor,
    tags: result.tags,
    bytesSent: blobs.bytesSent(),
    warnings: [...warnings, ...result.warnings],
  };
}

type Pushed = Pick<CopyResult, "tags" | "warnings">;

async function moveTags(
  manifests: ManifestCopier,
  stored: StoredManifest,
  tags: readonly Tag[],
): Promise<Pushed> {
  if (tags.length === 0) return { tags, warnings: [] };
  try {
    return await manifests.put(stored, tags);
  } catch (error) {
    // A registry that has the manifest and lost what it names: the copy mends that.
    if (!isRegistryError(error, "MANIFEST_BLOB_UNKNOWN")) throw error;
    await manifests.copyNeeds(stored);
    return manifests.put(stored, tags);
  }
}
