import type { Descriptor } from "../../oci/descriptors.ts";
import type { Digest } from "../../oci/digests.ts";
import type { Manifest } from "../../oci/manifests.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";
import type { Page } from "../../registry/registry.ts";
import type { AccessMetadata } from "./access.ts";
import type { AuditMetadata } from "./audit.ts";
import type { BackupMetadata } from "./backup.ts";
import type { CollectionMetadata } from "./collection.ts";
import type { Eventually, KeysetPage } from "./eventually.ts";
import type { ManifestRow } from "./manifest-row.ts";
import type { TagMetadata, TagOutcome } from "./tags.ts";
import type { VerificationMetadata } from "./verification.ts";

export type { Eventually, KeysetPage } from "./eventually.ts";

/** Blobs of up to so many bytes stand in the metadata instead of in a file of their own. */
export const smallBlobSize = 16 * 1024;

/** A blob as the metadata know it: stored, durable, its digest verified. */
export interface StoredBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** The blob itself, when it is small and was asked for. */
  readonly bytes?: Uint8Array;
  /** Whether it has a file; it stands in the metadata if not. */
  readonly hasFile?: boolean;
}

/** What `putManifest` of the metadata needs: the manifest is parsed, its digest is verified. */
export interface ManifestRecord {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
  readonly tags: readonly Tag[];
  /** A tag that points elsewhere now is not moved: nothing is done. */
  readonly onlyNewTags: boolean;
  readonly actor: string;
}

/** Who removes a manifest, and why. */
export interface ManifestRemoval {
  readonly actor: string;
  /** `delete` if absent. */
  readonly kind?: "delete" | "retention";
}

/** Where a blob may be taken from for another repository. */
export interface MountRequest {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  readonly from?: RepositoryName;
  readonly mayRead?: (repository: RepositoryName) => boolean;
  readonly unlessDeleted?: boolean;
}

/** Sums over the whole store. */
export interface StoreTotals {
  readonly repositories: number;
  readonly blobs: number;
  /** Bytes of all blobs, each counted once. */
  readonly blobBytes: number;
  readonly bytesReceived: number;
  readonly bytesSaved: number;
}

/** How many bytes a repository holds: manifests, and blobs whoever else holds them too. */
export interface RepositoryUsage {
  readonly repository: RepositoryName;
  readonly bytes: number;
}

/** What was sent to one repository, and what did not have to be. */
export interface RepositoryStatistics {
  readonly repository: RepositoryName;
  /** Bytes of blobs that were uploaded. */
  readonly bytesReceived: number;
  /** Bytes of blobs that a pushed manifest named and that were here already. */
  readonly bytesSaved: number;
}

/**
 * The store's metadata. Everything that is written is durable when the promise resolves; each method that writes is
 * one transaction. Lookups answer `undefined` where there is nothing.
 */
export interface Metadata extends TagMetadata {
  /** A blob that `repository` links. */
  findLinkedBlob(repository: RepositoryName, digest: Digest): Eventually<StoredBlob | undefined>;
  /**
   * As `findLinkedBlob`, for somebody who is told that the blob exists: it will for some time, whatever becomes of the
   * manifests that name it. Writes only when nothing needs it now.
   */
  leaseBlob(repository: RepositoryName, digest: Digest): Promise<StoredBlob | undefined>;
  /** As `findLinkedBlob`, with its bytes if it is small. */
  getLinkedBlob(repository: RepositoryName, digest: Digest): Eventually<StoredBlob | undefined>;
  /** A blob that the store holds, whoever links it. */
  findBlob(digest: Digest): Eventually<StoredBlob | undefined>;
  /**
   * Records a blob that comes with its bytes or whose file is durable, and links it.
   * @param received bytes that were sent for it
   * @param isThere asked in the transaction, when the blob is to be recorded, whether its file is there: a collection
   *   may have removed it since it was looked at
   * @returns whether it is linked; if not, its file has to be stored again
   */
  linkStoredBlob(
    repository: RepositoryName,
    blob: StoredBlob,
    received: number,
    isThere?: () => boolean,
  ): Promise<boolean>;
  mountBlob(request: MountRequest): Promise<StoredBlob | undefined>;
  /** @throws RegistryError BLOB_UNKNOWN; UNSUPPORTED when a manifest of the repository needs it */
  deleteBlob(repository: RepositoryName, digest: Digest): Promise<void>;

  getManifest(repository: RepositoryName, digest: Digest): Eventually<ManifestRow | undefined>;
  /**
   * Stores a manifest and moves tags, those of the record and those that the repository's rule moves with them.
   * @throws RegistryError MANIFEST_BLOB_UNKNOWN; MANIFEST_INVALID when a descriptor's size is not the blob's;
   *   TAG_PROTECTED
   */
  putManifest(record: ManifestRecord): Promise<TagOutcome>;
  /**
   * Deletes a manifest with its tags; floating tags of a rule go to what is then highest. It can be brought back.
   * @throws RegistryError MANIFEST_UNKNOWN; NAME_UNKNOWN; UNSUPPORTED when an index of the repository lists it;
   *   TAG_PROTECTED
   */
  deleteManifest(repository: RepositoryName, digest: Digest, by: ManifestRemoval): Promise<TagOutcome>;

  hasRepository(repository: RepositoryName): Eventually<boolean>;
  listReferrers(
    repository: RepositoryName,
    subject: Digest,
    page: KeysetPage & { readonly artifactType?: string },
  ): Eventually<Page<Descriptor>>;
  listRepositories(page: KeysetPage): Eventually<Page<RepositoryName>>;
  /** Repositories that could be meant by `missing`, unranked, at most about two hundred. */
  repositoriesNear(missing: string): Eventually<readonly RepositoryName[]>;

  /** Accounts and what they may do. */
  readonly access: AccessMetadata;
  /** The record of what was done. */
  readonly audit: AuditMetadata;
  /** What becomes of content that nothing needs any more. */
  readonly collection: CollectionMetadata;
  /** Whether all is as it has to be. */
  readonly verification: VerificationMetadata;
  /** For backups, and for what is restored from one. */
  readonly backup: BackupMetadata;

  /** @throws RegistryError UNAVAILABLE when nothing can be written any more until a restart */
  requireDurable(): Eventually<void>;
  totals(): Eventually<StoreTotals>;
  /** What repositories hold, by name. */
  listUsage(page: KeysetPage): Eventually<Page<RepositoryUsage>>;
  listStatistics(page: KeysetPage): Eventually<Page<RepositoryStatistics>>;
  /** The repositories that most was pushed to, most first. */
  busiestRepositories(limit: number): Eventually<readonly RepositoryStatistics[]>;
  close(): Promise<void>;
}
