import type { Descriptor } from "../../../oci/descriptors.ts";
import type { Digest } from "../../../oci/digests.ts";
import { RegistryError } from "../../../oci/errors.ts";
import { isIndex, type Manifest, parseManifest, referrerDescriptor } from "../../../oci/manifests.ts";
import { isForeignLayerType, isManifestType } from "../../../oci/media-types.ts";
import type { RepositoryName } from "../../../oci/names.ts";
import type { BlobLeases } from "../collection.ts";
import type { SqliteDatabase } from "./database.ts";
import { createReferrerRows } from "./referrers.ts";
import { createRemovedManifestRows, type RemovedManifest } from "./removed-manifests.ts";
import type { RepositoryRows } from "./repositories.ts";

/** A blob that a manifest names. */
interface LinkedBlob {
  readonly size: number;
  readonly unclaimed: number;
  /** Absent when another manifest needs it already. */
  readonly held_until: number | null;
}

/** What a manifest names, found in its repository. */
interface Edges {
  /** Row ids of blobs, each once. */
  readonly blobs: ReadonlyMap<number, LinkedBlob>;
  /** Row ids of child manifests, each once. */
  readonly children: ReadonlySet<number>;
}

/** A parsed manifest to store. */
export interface NewManifest {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
}

/** The rows of manifests, for use inside a transaction. */
export interface ManifestRows {
  has(repositoryId: number, digest: Digest): boolean;
  /**
   * Stores a manifest, if it is not there, and claims the blobs that it names. Resolves to whether it is new.
   * @throws RegistryError MANIFEST_BLOB_UNKNOWN; MANIFEST_INVALID
   */
  put(repositoryId: number, repository: RepositoryName, added: NewManifest, now: number): boolean;
  /** @throws RegistryError MANIFEST_UNKNOWN; UNSUPPORTED when an index lists it */
  requireRemovable(repositoryId: number, repository: RepositoryName, digest: Digest): void;
  /** Removes a manifest that is removable and has no tags. It is kept aside, so that it can be brought back. */
  remove(repositoryId: number, digest: Digest, now: number, change: number): void;
  /** What was removed and can be brought back, with the change that did it. */
  findRemoved(repositoryId: number, digest: Digest): RemovedManifest | undefined;
  /**
   * Brings back what was removed, with what it lists. @throws RegistryError MANIFEST_UNKNOWN; MANIFEST_BLOB_UNKNOWN when
   * its blobs are gone
   */
  restore(repositoryId: number, repository: RepositoryName, digest: Digest, now: number): void;
}

export function createManifestRows(
  database: SqliteDatabase,
  repositories: RepositoryRows,
  leases: BlobLeases,
): ManifestRows {
  const { prepare } = database;
  const referrers = createReferrerRows(database);
  const removed = createRemovedManifestRows(database, leases.toldMs);
  const findEdges = createEdgeFinder(database);
  const find = prepare<{ id: number }, [number, string]>(
    "SELECT id FROM manifests WHERE repository_id = ? AND digest = ?",
  );
  const read = prepare<{ media_type: string; bytes: Uint8Array }, [number, string]>(
    "SELECT media_type, bytes FROM manifests WHERE repository_id = ? AND digest = ?",
  );
  const insert = prepare<{ id: number }, [number, string, string, number, number, Uint8Array]>(
    `INSERT INTO manifests (repository_id, digest, media_type, size, pushed_at, bytes)
     VALUES (?, ?, ?, ?, ?, ?) RETURNING id`,
  );
  const addBlob = prepare<null, [number, number, number]>(
    "INSERT INTO manifest_blobs (manifest_id, blob_id, repository_id) VALUES (?, ?, ?)",
  );
  const addChild = prepare<null, [number, number]>(
    "INSERT INTO manifest_children (parent_id, child_id) VALUES (?, ?)",
  );
  const claim = prepare<null, [number, number]>(
    "UPDATE blob_links SET unclaimed = 0, held_until = NULL, queued = 0 WHERE repository_id = ? AND blob_id = ?",
  );
  const parent = prepare<{ digest: Digest }, [number]>(
    "SELECT m.digest FROM manifest_children e JOIN manifests m ON m.id = e.parent_id WHERE e.child_id = ? LIMIT 1",
  );
  const removeChildren = prepare<null, [number]>("DELETE FROM manifest_children WHERE parent_id = ?");
  const remove = prepare<null, [number]>("DELETE FROM manifests WHERE id = ?");

  const insertManifest = (repositoryId: number, added: NewManifest, edges: Edges, now: number): void => {
    const { digest, bytes, manifest } = added;
    const row = insert.get(repositoryId, digest, manifest.mediaType, bytes.byteLength, now, bytes);
    if (!row) throw new Error("INSERT returned no row");
    for (const blobId of edges.blobs.keys()) addBlob.run(row.id, blobId, repositoryId);
    for (const childId of edges.children) addChild.run(row.id, childId);
    repositories.countManifests(repositoryId, 1);
    removed.drop(repositoryId, digest);
    if (manifest.subject) {
      referrers.add(
        repositoryId,
        manifest.subject.digest,
        referrerDescriptor(manifest, digest, bytes.byteLength),
      );
    }
  };

  /** Bytes that this push needed: those that were sent for it, and those that it found here. */
  const claimBlobs = (repositoryId: number, edges: Edges): void => {
    let saved = 0;
    for (const [blobId, { size, unclaimed, held_until }] of edges.blobs) {
      if (unclaimed || held_until !== null) claim.run(repositoryId, blobId);
      if (!unclaimed) saved += size;
    }
    repositories.addStatistics(repositoryId, 0, saved);
  };

  const rows: ManifestRows = {
    has: (repositoryId, digest) => find.get(repositoryId, digest) !== null,
    put(repositoryId, repository, added, now) {
      const edges = findEdges(repositoryId, repository, added.manifest);
      const isNew = !find.get(repositoryId, added.digest);
      if (isNew) insertManifest(repositoryId, added, edges, now);
      claimBlobs(repositoryId, edges);
      return isNew;
    },
    requireRemovable(repositoryId, repository, digest) {
      const row = find.get(repositoryId, digest);
      if (!row) {
        throw new RegistryError("MANIFEST_UNKNOWN", `repository ${repository} has no manifest ${digest}`);
      }
      const index = parent.get(row.id);
      if (!index) return;
      throw new RegistryError(
        "UNSUPPORTED",
        `manifest ${digest} is listed by index ${index.digest} of ${repository}: delete that index first`,
        { detail: { index: index.digest } },
      );
    },
    remove(repositoryId, digest, now, change) {
      const row = find.get(repositoryId, digest);
      const stored = read.get(repositoryId, digest);
      if (!row || !stored) return;
      const { subject } = parseManifest(stored.bytes, stored.media_type);
      if (subject) referrers.remove(repositoryId, subject.digest, digest);
      removeChildren.run(row.id);
      removed.keep({
        ...{ id: row.id, repositoryId, digest, now, change },
        ...{ mediaType: stored.media_type, bytes: stored.bytes },
      });
      remove.run(row.id);
      repositories.countManifests(repositoryId, -1);
    },
    findRemoved: removed.find,
    restore(repositoryId, repository, digest, now) {
      const aside = removed.find(repositoryId, digest);
      if (!aside) {
        throw new RegistryError(
          "MANIFEST_UNKNOWN",
          `manifest ${digest} of ${repository} cannot be brought back: nothing is kept of it`,
        );
      }
      const manifest = parseManifest(aside.bytes, aside.media_type);
      removed.linkBlobs(repositoryId, aside.id);
      for (const child of isIndex(manifest) ? manifest.manifests : []) {
        if (removed.find(repositoryId, child.digest))
          rows.restore(repositoryId, repository, child.digest, now);
      }
      const edges = findEdges(repositoryId, repository, manifest);
      insertManifest(repositoryId, { digest, bytes: aside.bytes, manifest }, edges, now);
      for (const blobId of edges.blobs.keys()) claim.run(repositoryId, blobId);
    },
  };
  return rows;
}

/** Finds the rows that a manifest names, or throws what is missing. */
function createEdgeFinder({ prepare }: SqliteDatabase) {
  const findBlob = prepare<LinkedBlob & { id: number }, [number, string]>(
    `SELECT b.id, b.size, l.unclaimed, l.held_until FROM blobs b
     JOIN blob_links l ON l.repository_id = ?1 AND l.blob_id = b.id AND l.deleted_at IS NULL
     WHERE b.digest = ?2 AND NOT EXISTS (SELECT 1 FROM lost_blobs WHERE blob_id = b.id)`,
  );
  const findManifest = prepare<{ id: number; size: number }, [number, string]>(
    "SELECT id, size FROM manifests WHERE repository_id = ? AND digest = ?",
  );
  return (repositoryId: number, repository: RepositoryName, manifest: Manifest): Edges => {
    const blobs = new Map<number, LinkedBlob>();
    const children = new Set<number>();
    const missing: Digest[] = [];
    const visit = (descriptor: Descriptor, asChild: boolean): void => {
      const child = asChild ? findManifest.get(repositoryId, descriptor.digest) : null;
      const blob =
        child || (asChild && isManifestType(descriptor.mediaType))
          ? null
          : findBlob.get(repositoryId, descriptor.digest);
      const found = child ?? blob;
      if (!found) missing.push(descriptor.digest);
      else checkSize(descriptor, found.size);
      if (child) children.add(child.id);
      if (blob) blobs.set(blob.id, blob);
    };
    if (isIndex(manifest)) for (const child of manifest.manifests) visit(child, true);
    else {
      visit(manifest.config, false);
      for (const layer of manifest.layers) if (!isForeignLayerType(layer.mediaType)) visit(layer, false);
    }
    if (missing.length > 0) throw unknownContent(repository, missing);
    return { blobs, children };
  };
}

function checkSize(descriptor: Descriptor, size: number): void {
  if (descriptor.size === size) return;
  throw new RegistryError(
    "MANIFEST_INVALID",
    `invalid manifest: it says that ${descriptor.digest} has ${descriptor.size} bytes, but it has ${size}`,
  );
}

function unknownContent(repository: RepositoryName, missing: readonly Digest[]): RegistryError {
  const shown = missing.slice(0, 3).join(", ");
  const more = missing.length > 3 ? ` and ${missing.length - 3} more` : "";
  return new RegistryError(
    "MANIFEST_BLOB_UNKNOWN",
    `repository ${repository} lacks what the manifest names: ${shown}${more}: push that first`,
    { detail: missing.map((digest) => ({ digest })) },
  );
}
