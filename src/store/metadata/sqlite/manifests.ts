import type { Descriptor } from "../../../oci/descriptors.ts";
import type { Digest } from "../../../oci/digests.ts";
import { RegistryError } from "../../../oci/errors.ts";
import { isIndex, type Manifest, parseManifest, referrerDescriptor } from "../../../oci/manifests.ts";
import { isForeignLayerType, isManifestType } from "../../../oci/media-types.ts";
import type { RepositoryName } from "../../../oci/names.ts";
import type { ManifestRecord, ManifestRow, Metadata } from "../metadata.ts";
import type { SqliteDatabase } from "./database.ts";
import { createReferrerRows } from "./referrers.ts";
import type { RepositoryRows } from "./repositories.ts";
import { createTagRows } from "./tags.ts";

type ManifestMetadata = Pick<Metadata, "getManifest" | "putManifest" | "deleteManifest">;

/** What a manifest names, found in its repository. */
interface Edges {
  /** Row ids of blobs, each once. */
  readonly blobs: ReadonlyMap<number, { readonly size: number; readonly unclaimed: number }>;
  /** Row ids of child manifests, each once. */
  readonly children: ReadonlySet<number>;
}

export function createManifestMetadata(
  database: SqliteDatabase,
  repositories: RepositoryRows,
): ManifestMetadata {
  const { prepare, write } = database;
  const tags = createTagRows(database);
  const referrers = createReferrerRows(database);
  const findEdges = createEdgeFinder(database);
  const get = prepare<{ digest: Digest; media_type: string; bytes: Uint8Array }, [string, string]>(
    `SELECT digest, media_type, bytes FROM manifests
     WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest = ?2`,
  );
  const find = prepare<{ id: number; media_type: string }, [number, string]>(
    "SELECT id, media_type FROM manifests WHERE repository_id = ? AND digest = ?",
  );
  const insert = prepare<{ id: number }, [number, string, string, number, number, Uint8Array]>(
    `INSERT INTO manifests (repository_id, digest, media_type, size, pushed_at, bytes)
     VALUES (?, ?, ?, ?, ?, ?) RETURNING id`,
  );
  const addBlob = prepare<null, [number, number]>(
    "INSERT INTO manifest_blobs (manifest_id, blob_id) VALUES (?, ?)",
  );
  const addChild = prepare<null, [number, number]>(
    "INSERT INTO manifest_children (parent_id, child_id) VALUES (?, ?)",
  );
  const claim = prepare<null, [number, number]>(
    "UPDATE blob_links SET unclaimed = 0 WHERE repository_id = ? AND blob_id = ?",
  );
  const parent = prepare<{ digest: Digest }, [number]>(
    "SELECT m.digest FROM manifest_children e JOIN manifests m ON m.id = e.parent_id WHERE e.child_id = ? LIMIT 1",
  );
  const removeBlobs = prepare<null, [number]>("DELETE FROM manifest_blobs WHERE manifest_id = ?");
  const removeChildren = prepare<null, [number]>("DELETE FROM manifest_children WHERE parent_id = ?");
  const remove = prepare<null, [number]>("DELETE FROM manifests WHERE id = ?");

  const insertManifest = (repositoryId: number, record: ManifestRecord, edges: Edges, now: number): void => {
    const { digest, bytes, manifest } = record;
    const row = insert.get(repositoryId, digest, manifest.mediaType, bytes.byteLength, now, bytes);
    if (!row) throw new Error("INSERT returned no row");
    for (const blobId of edges.blobs.keys()) addBlob.run(row.id, blobId);
    for (const childId of edges.children) addChild.run(row.id, childId);
    repositories.countManifests(repositoryId, 1);
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
    for (const [blobId, { size, unclaimed }] of edges.blobs) {
      if (unclaimed) claim.run(repositoryId, blobId);
      else saved += size;
    }
    repositories.addStatistics(repositoryId, 0, saved);
  };

  return {
    getManifest(repository, digest): ManifestRow | undefined {
      const row = get.get(repository, digest);
      return row ? { digest: row.digest, mediaType: row.media_type, bytes: row.bytes } : undefined;
    },
    putManifest: (record) =>
      write(() => {
        const now = Date.now();
        const repositoryId = repositories.ensure(record.repository);
        const edges = findEdges(repositoryId, record.repository, record.manifest);
        if (!find.get(repositoryId, record.digest)) insertManifest(repositoryId, record, edges, now);
        claimBlobs(repositoryId, edges);
        for (const tag of record.tags) tags.move(repositoryId, tag, record.digest, now);
      }),
    deleteManifest: (repository, digest) =>
      write(() => {
        const repositoryId = repositories.require(repository);
        const row = find.get(repositoryId, digest);
        const stored = get.get(repository, digest);
        if (!row || !stored) {
          throw new RegistryError("MANIFEST_UNKNOWN", `repository ${repository} has no manifest ${digest}`);
        }
        const index = parent.get(row.id);
        if (index) {
          throw new RegistryError(
            "UNSUPPORTED",
            `manifest ${digest} is listed by index ${index.digest} of ${repository}: delete that index first`,
            { detail: { index: index.digest } },
          );
        }
        const { subject } = parseManifest(stored.bytes, stored.media_type);
        if (subject) referrers.remove(repositoryId, subject.digest, digest);
        tags.closeAllOf(repositoryId, digest, Date.now());
        removeBlobs.run(row.id);
        removeChildren.run(row.id);
        remove.run(row.id);
        repositories.countManifests(repositoryId, -1);
      }),
  };
}

/** Finds the rows that a manifest names, or throws what is missing. */
function createEdgeFinder({ prepare }: SqliteDatabase) {
  const findBlob = prepare<{ id: number; size: number; unclaimed: number }, [number, string]>(
    `SELECT b.id, b.size, l.unclaimed FROM blobs b
     JOIN blob_links l ON l.repository_id = ?1 AND l.blob_id = b.id AND l.deleted_at IS NULL WHERE b.digest = ?2`,
  );
  const findManifest = prepare<{ id: number; size: number }, [number, string]>(
    "SELECT id, size FROM manifests WHERE repository_id = ? AND digest = ?",
  );
  return (repositoryId: number, repository: RepositoryName, manifest: Manifest): Edges => {
    const blobs = new Map<number, { size: number; unclaimed: number }>();
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
