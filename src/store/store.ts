import { join } from "node:path";
import { blobDescriptor } from "../oci/descriptors.ts";
import { algorithmOf, type Digest } from "../oci/digests.ts";
import { RegistryError } from "../oci/errors.ts";
import { isIndex, parseManifest } from "../oci/manifests.ts";
import type { RepositoryName, Tag } from "../oci/names.ts";
import { nearest } from "../oci/near.ts";
import { makeDurableFolder } from "../registry/files/durable.ts";
import { digestOf } from "../registry/hash.ts";
import type { PageOptions, Registry, StoredManifest } from "../registry/registry.ts";
import { type BlobFiles, createBlobFiles } from "./blobs/files.ts";
import { removeHalfStored } from "./blobs/half-stored.ts";
import type { BlobPlace } from "./blobs/place.ts";
import { createFileRemoval } from "./blobs/removal.ts";
import { type Collector, createCollector } from "./collection/collector.ts";
import { createLocalFiles, type LocalFileOptions } from "./local-files.ts";
import { type BlobLeases, defaultLeases } from "./metadata/collection.ts";
import type { ManifestRow } from "./metadata/manifest-row.ts";
import type { Metadata, StoredBlob } from "./metadata/metadata.ts";
import { startCheckpointer } from "./metadata/sqlite/checkpointer.ts";
import { openSqliteMetadata } from "./metadata/sqlite/sqlite.ts";
import type { TagPolicies } from "./metadata/tag-policy.ts";
import { createPullMemory, type PullMemory } from "./pulls.ts";
import { createReserve, withReserve } from "./reserve.ts";
import { toldOnce } from "./told-once.ts";
import { createUploadFiles, type UploadFiles } from "./upload-files.ts";
import { createUploads } from "./uploads.ts";

/** How a store is opened. */
export interface StoreOptions {
  /** The folder of metadata, blobs and uploads, made if it is not there. */
  readonly folder: string;
  /** The number of this worker process, below `slots`; 0 when there is one. */
  readonly slot?: number;
  /** How many worker processes use the folder. */
  readonly slots?: number;
  /** An upload that stands still for this long is given up. */
  readonly stallMs?: number;
  /** The most upload sessions that may be open. */
  readonly maxOpenUploads?: number;
  /** Decides what happens to tags when one is pushed or removed; absent, what is asked for and nothing else. */
  readonly policies?: TagPolicies;
  /** What nothing needs any more is kept for so long. */
  readonly keep?: Keeping;
  /** Whether some room on the disk is put aside for the day when it is full, so that what was deleted can be removed. */
  readonly hasReserve?: boolean;
  /** Files of this machine may become blobs without being sent; nobody may say which, if absent. */
  readonly localFiles?: LocalFileOptions;
  /** Another process may serve the folder: what that one has in hand is left alone. */
  readonly isBeside?: boolean;
  /** Told what does not work beside requests, and is tried again. */
  readonly troubled?: (what: string) => void;
}

/** For how long a store keeps what nothing needs any more, in milliseconds. */
export interface Keeping extends BlobLeases {
  /** What was deleted can be brought back for so long. */
  readonly graceMs: number;
}

/** A day for what was deleted, and {@link defaultLeases}. */
export const defaultKeeping: Keeping = { graceMs: 24 * 3_600_000, ...defaultLeases };

/** The durable registry, and what only its owner may see. */
export interface Store {
  readonly registry: Registry;
  readonly metadata: Metadata;
  readonly uploads: UploadFiles;
  /** When manifests were pulled, as far as it is not in the metadata yet. Its owner flushes it now and then. */
  readonly pulls: PullMemory;
  /** Gives space back when its owner lets it run. */
  readonly collector: Collector;
  close(): Promise<void>;
}

/** The most items of a page, whatever is asked for. */
const maxPage = 10_000;
/** The most referrers of a page: each answer stays well under the 4 MiB that clients take. */
const maxReferrersPage = 500;

/** Opens the store in a folder. Cost does not depend on what it holds. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { folder, slot = 0, slots = 1, stallMs = 60_000, maxOpenUploads = 10_000, localFiles } = options;
  const { keep = defaultKeeping, troubled = () => {} } = options;
  const uploadFolder = join(folder, "uploads");
  await makeDurableFolder(folder);
  const reserve = createReserve(join(folder, "reserve"));
  // Before the folders: without it, these would seem to be what is left of a store, though a kill left them.
  const metadata = withReserve(
    openSqliteMetadata(join(folder, "metadata.db"), options.policies, keep),
    reserve,
  );
  for (const each of ["blobs", "uploads", "removed"]) await makeDurableFolder(join(folder, each));
  const noCheckpoint = (why: string): void => troubled(`the log of the metadata cannot be shortened: ${why}`);
  const checkpointer = slot === 0 ? startCheckpointer(join(folder, "metadata.db"), noCheckpoint) : undefined;
  const blobs = createBlobFiles(join(folder, "blobs"));
  const sessions = createUploadFiles({
    ...{ folder: uploadFolder, slot, slots, maxOpen: maxOpenUploads },
    leaving: (path) => removeHalfStored(path, blobs, metadata.collection),
    troubled,
  });
  if (!options.isBeside) await sessions.recover();
  const place: BlobPlace = { blobs, link: metadata.linkStoredBlob };
  const uploads = createUploads({
    ...{
      ...place,
      sessions,
      stallMs,
      localFiles: localFiles && createLocalFiles(place, uploadFolder, localFiles),
    },
  });
  const files = createFileRemoval(join(folder, "removed"), blobs.pathOf, troubled);
  if (slot === 0 && !options.isBeside) await files.recover(metadata.collection.noteTaken);
  if (!options.isBeside) await metadata.collection.interruptRuns(slot, slots);
  let filling: Promise<void> = Promise.resolve();
  const fillReserve = (): void => {
    if (!options.hasReserve || slot !== 0) return;
    filling = reserve.fill().catch((error) => troubled(`no room could be put aside: ${String(error)}`));
  };
  fillReserve();
  const collector = createCollector({
    ...{ metadata: metadata.collection, files, graceMs: keep.graceMs, slot, troubled, ended: fillReserve },
  });
  // What is read beside a server is read by its owner, who pulls nothing.
  const pulls = createPullMemory(async (records) => {
    if (!options.isBeside) await metadata.recordPulls(records);
  });
  const registry: Registry = {
    ...uploads,
    ...createBlobs(metadata, blobs, troubled),
    ...createManifests(metadata, pulls),
    ...createLists(metadata),
  };
  const close = async (): Promise<void> => {
    await collector.close();
    await filling;
    await checkpointer?.close();
    await pulls.flush();
    await metadata.close();
  };
  return { registry, metadata, uploads: sessions, pulls, collector, close };
}

type Blobs = Pick<Registry, "getBlob" | "resolveBlob" | "mountBlob" | "deleteBlob">;

/**
 * Blobs of the metadata whose bytes are there. Nothing that the file system can tell at once is taken on trust: who is
 * told that a blob exists does not send it.
 */
function createBlobs(metadata: Metadata, blobs: BlobFiles, troubled: (what: string) => void): Blobs {
  const tell = toldOnce(troubled);
  const isThere = ({ digest, size, hasFile }: StoredBlob): boolean => {
    if (!hasFile || blobs.isThere(digest, size)) return true;
    tell(`the file of blob ${digest} is lost or does not have its ${size} bytes`);
    return false;
  };
  const orUnknown = (
    blob: StoredBlob | undefined,
    repository: RepositoryName,
    digest: Digest,
  ): StoredBlob => {
    if (blob && isThere(blob)) return blob;
    const why = blob ? ": its file is lost or damaged, a push of it brings it back" : "";
    throw new RegistryError("BLOB_UNKNOWN", `repository ${repository} has no blob ${digest}${why}`);
  };
  return {
    async resolveBlob(repository, digest) {
      const { size } = orUnknown(await metadata.leaseBlob(repository, digest), repository, digest);
      return blobDescriptor(digest, size);
    },
    async getBlob(repository, digest) {
      const { size, bytes } = orUnknown(await metadata.getLinkedBlob(repository, digest), repository, digest);
      return {
        descriptor: blobDescriptor(digest, size),
        source: bytes ? { kind: "bytes", bytes } : { kind: "file", path: blobs.pathOf(digest) },
      };
    },
    async mountBlob(repository, digest, { from, mayRead, unlessDeleted = false } = {}) {
      const request = {
        repository,
        digest,
        unlessDeleted,
        ...(from && { from }),
        ...(mayRead && { mayRead }),
      };
      const blob = await metadata.mountBlob(request);
      return blob && isThere(blob) ? blobDescriptor(digest, blob.size) : undefined;
    },
    deleteBlob: (repository, digest) => metadata.deleteBlob(repository, digest),
  };
}

type Manifests = Pick<
  Registry,
  "getManifest" | "resolveManifest" | "putManifest" | "deleteManifest" | "getTag" | "resolveTag" | "deleteTag"
>;

function createManifests(metadata: Metadata, pulls: PullMemory): Manifests {
  const unknown = async (repository: RepositoryName, what: string): Promise<RegistryError> =>
    (await metadata.hasRepository(repository))
      ? new RegistryError("MANIFEST_UNKNOWN", `repository ${repository} has no ${what}`)
      : new RegistryError("NAME_UNKNOWN", `there is no repository ${repository}`);
  const findManifest = async (repository: RepositoryName, digest: Digest): Promise<StoredManifest> => {
    const row = await metadata.getManifest(repository, digest);
    if (!row) throw await unknown(repository, `manifest ${digest}`);
    return toStored(row);
  };
  const findTag = async (repository: RepositoryName, tag: Tag): Promise<StoredManifest> => {
    const row = await metadata.getTag(repository, tag);
    if (!row) throw await unknown(repository, `tag ${tag}`);
    return toStored(row);
  };
  const pulled = (repository: RepositoryName, manifest: StoredManifest): StoredManifest => {
    pulls.note(repository, manifest.descriptor.digest);
    return manifest;
  };
  return {
    getManifest: async (repository, digest) => pulled(repository, await findManifest(repository, digest)),
    getTag: async (repository, tag) => pulled(repository, await findTag(repository, tag)),
    // No pull: whoever may push asks so, too, whether a tag is there already.
    resolveManifest: async (repository, digest) => (await findManifest(repository, digest)).descriptor,
    resolveTag: async (repository, tag) => (await findTag(repository, tag)).descriptor,
    async putManifest(repository, input, { actor = unnamed } = {}) {
      const { bytes, mediaType, digest: expected, tags, onlyNewTags = false } = input;
      const manifest = parseManifest(bytes, mediaType);
      const digest = digestOf(bytes, expected ? algorithmOf(expected) : "sha256");
      if (expected && expected !== digest) {
        throw new RegistryError("DIGEST_INVALID", `the manifest has the digest ${digest}, not ${expected}`, {
          detail: { expected, actual: digest },
        });
      }
      const { lines, notes } = await metadata.putManifest({
        ...{ repository, digest, bytes, manifest, actor, onlyNewTags },
        tags: [...new Set(tags)],
      });
      const isEmptyIndex = isIndex(manifest) && manifest.manifests.length === 0;
      return {
        descriptor: { mediaType: manifest.mediaType, digest, size: bytes.byteLength },
        tags: lines.filter(({ to }) => to === digest).map(({ tag }) => tag),
        ...(manifest.subject ? { subject: manifest.subject.digest } : {}),
        warnings: [...(isEmptyIndex ? ["this index lists no manifests"] : []), ...notes],
      };
    },
    async deleteManifest(repository, digest, { actor = unnamed } = {}) {
      await metadata.deleteManifest(repository, digest, { actor });
    },
    async deleteTag(repository, tag, { actor = unnamed } = {}) {
      await metadata.changeTags(repository, { kind: "delete", tags: [tag] }, { actor });
    },
  };
}

/** Whom the record names when nobody said who asks. */
const unnamed = "anonymous";

function toStored(row: ManifestRow): StoredManifest {
  return {
    descriptor: { mediaType: row.mediaType, digest: row.digest, size: row.bytes.byteLength },
    bytes: row.bytes,
  };
}

type Lists = Pick<
  Registry,
  "listTags" | "listReferrers" | "listRepositories" | "suggestTags" | "suggestRepositories"
>;

function createLists(metadata: Metadata): Lists {
  const keyset = ({ after, limit }: PageOptions, most: number) => ({
    limit: Math.min(limit ?? most, most),
    ...(after === undefined ? {} : { after }),
  });
  return {
    async listTags(repository, options = {}) {
      return metadata.listTags(repository, keyset(options, maxPage));
    },
    async listReferrers(repository, digest, options = {}) {
      const page = keyset(options, maxReferrersPage);
      const { artifactType } = options;
      return metadata.listReferrers(
        repository,
        digest,
        artifactType === undefined ? page : { ...page, artifactType },
      );
    },
    async listRepositories(options = {}) {
      return metadata.listRepositories(keyset(options, maxPage));
    },
    async suggestTags(repository, missing) {
      const { near, newest } = await metadata.tagsNear(repository, missing);
      return [...new Set([...nearest(missing, near, 3), ...newest])].slice(0, 5);
    },
    async suggestRepositories(missing) {
      const candidates = await metadata.repositoriesNear(missing);
      return nearest(missing, candidates, 5);
    },
  };
}
