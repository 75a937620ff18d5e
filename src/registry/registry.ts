import type { Descriptor } from "../oci/descriptors.ts";
import type { Digest, DigestAlgorithm } from "../oci/digests.ts";
import type { RepositoryName, Tag } from "../oci/names.ts";

/**
 * The contract of everything that holds repositories: the durable store, a remote registry, an image layout, memory,
 * and the wrappers that add rules to one of these.
 *
 * Every method rejects with a `RegistryError`; the codes that a method names are those that its caller should expect.
 * Any method may also reject with DENIED, UNAUTHORIZED, TOOMANYREQUESTS, UNAVAILABLE or INTERNAL. Methods that take a
 * `signal` reject with `signal.reason` when it aborts.
 */
export interface Registry
  extends BlobReader,
    BlobWriter,
    UploadWriter,
    ManifestReader,
    ManifestWriter,
    TagReader,
    ReferrerLister,
    RepositoryLister,
    Suggester {}

/** Options of every operation. */
export interface OperationOptions {
  readonly signal?: AbortSignal;
  /** Who asks, for the record of what changed. */
  readonly actor?: string;
}

/** Bytes of a blob, both ends inclusive, counted from 0, `first <= last < size`. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** Options of opening a blob. */
export interface OpenBlobOptions extends OperationOptions {
  /** Leaves the digest to whoever reads, because that checks it anyway. */
  readonly isUnverified?: boolean;
}

/**
 * Where a blob's bytes are: a local file that can be sent without being read, at hand because they are few, an address
 * to send the reader to, or a stream. `open` may be called more than once; whoever gets a stream reads it to its end or cancels it,
 * and has its chunks for itself: nobody else looks at their memory later.
 */
export type BlobSource =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "url"; readonly url: string }
  | {
      readonly kind: "stream";
      readonly open: (range?: ByteRange, options?: OpenBlobOptions) => Promise<ReadableStream<Uint8Array>>;
    };

/** A blob that was found, not yet read. */
export interface BlobHandle {
  /** `mediaType` is `application/octet-stream`: a registry does not know what a blob is. */
  readonly descriptor: Descriptor;
  readonly source: BlobSource;
}

/** Options of `getBlob`. */
export interface GetBlobOptions extends OperationOptions {
  /** The blob's bytes, when a descriptor told them: a remote registry need not be asked before the blob is opened. */
  readonly size?: number;
}

export interface BlobReader {
  /**
   * Finds a blob of a repository. With a `size` it may be left to the source's `open` to find that it is not there.
   * @throws BLOB_UNKNOWN, also when there is no such repository
   */
  getBlob(repository: RepositoryName, digest: Digest, options?: GetBlobOptions): Promise<BlobHandle>;
  /**
   * As `getBlob`, for its descriptor alone. The answer is a lease: what it says exists stays long enough for a
   * manifest that names it to be pushed. @throws BLOB_UNKNOWN
   */
  resolveBlob(repository: RepositoryName, digest: Digest, options?: OperationOptions): Promise<Descriptor>;
}

/** What a client announces of a blob before it sends it. */
export interface ExpectedBlob {
  readonly digest: Digest;
  /** Bytes, when known. */
  readonly size?: number;
}

/** Where `mountBlob` may look. */
export interface MountOptions extends OperationOptions {
  /** Only there; anywhere that `mayRead` allows if absent. */
  readonly from?: RepositoryName;
  /** Leaves out repositories that the caller may not read; all may be read if absent. */
  readonly mayRead?: (repository: RepositoryName) => boolean;
  /** Does not bring back a blob that was deleted from `repository`. */
  readonly unlessDeleted?: boolean;
}

/** How a body is given. */
export interface BodyOptions extends OperationOptions {
  /**
   * Nobody else keeps the body's chunks: their memory may be given back as soon as they are stored, instead of when it
   * is collected.
   */
  readonly isHandedOver?: boolean;
}

/** Options of `putBlob`. */
export interface PutBlobOptions extends BodyOptions {
  /** Gives the same bytes again, from an offset below the blob's size on: a transfer that broke can be resumed. */
  readonly reopen?: (offset: number, options?: OperationOptions) => Promise<ReadableStream<Uint8Array>>;
  /** A file of this machine with the same bytes: a registry that is allowed to may link or copy it, and not read `body`. */
  readonly file?: string;
}

export interface BlobWriter {
  /**
   * Stores a whole blob and links it to the repository, which is made if it is not there. Resolves when the bytes are
   * durable. Nothing that can be seen is kept when it rejects; with `reopen`, what came may be, so that the same blob
   * sent again goes on from there. `body` may be cancelled without being read.
   * @throws DIGEST_INVALID when the bytes have another digest; SIZE_INVALID when there are more or fewer than announced
   */
  putBlob(
    repository: RepositoryName,
    expected: ExpectedBlob,
    body: ReadableStream<Uint8Array>,
    options?: PutBlobOptions,
  ): Promise<Descriptor>;
  /**
   * Links a blob that another repository holds to this one, without its bytes being sent. The answer is a lease.
   * Resolves to `undefined` when no repository that may be read holds it.
   */
  mountBlob(
    repository: RepositoryName,
    digest: Digest,
    options?: MountOptions,
  ): Promise<Descriptor | undefined>;
  /**
   * Unlinks a blob from a repository. Other repositories keep it.
   * @throws BLOB_UNKNOWN; UNSUPPORTED when a manifest of the repository needs it
   */
  deleteBlob(repository: RepositoryName, digest: Digest, options?: OperationOptions): Promise<void>;
}

/** A blob that is being sent in parts. */
export interface UploadSession {
  readonly repository: RepositoryName;
  /** Opaque, at most 128 characters of `A-Z a-z 0-9 . _ -`. */
  readonly id: string;
  /** How many bytes have been received, the position of the next. */
  readonly offset: number;
}

export interface StartUploadOptions extends OperationOptions {
  /** The algorithm of the digest that will end the upload; a hint that saves a second reading. */
  readonly algorithm?: DigestAlgorithm;
}

export interface AppendOptions extends BodyOptions {
  /** Where the sender believes to be. @throws UPLOAD_RANGE_INVALID when that is not the session's offset */
  readonly offset?: number;
  /** Bytes that will come. @throws SIZE_INVALID when others come */
  readonly size?: number;
  readonly algorithm?: DigestAlgorithm;
}

export interface UploadWriter {
  /** Begins an upload session. It ends by `finishUpload`, `cancelUpload`, or some time after it was last written to. */
  startUpload(repository: RepositoryName, options?: StartUploadOptions): Promise<UploadSession>;
  /** The state of a session. @throws BLOB_UPLOAD_UNKNOWN */
  getUpload(repository: RepositoryName, id: string, options?: OperationOptions): Promise<UploadSession>;
  /**
   * Adds bytes at the session's end. When `body` breaks off, what was received is kept and the error is thrown on, so
   * that the sender can ask for the offset and go on.
   * @throws BLOB_UPLOAD_UNKNOWN; UPLOAD_RANGE_INVALID also while another request is writing; SIZE_INVALID
   */
  appendUpload(
    repository: RepositoryName,
    id: string,
    body: ReadableStream<Uint8Array>,
    options?: AppendOptions,
  ): Promise<UploadSession>;
  /**
   * Makes the received bytes a blob of the repository. Resolves when they are durable.
   * @throws BLOB_UPLOAD_UNKNOWN; DIGEST_INVALID when they have another digest, which ends the session
   */
  finishUpload(
    repository: RepositoryName,
    id: string,
    digest: Digest,
    options?: OperationOptions,
  ): Promise<Descriptor>;
  /** Drops a session and its bytes. @throws BLOB_UPLOAD_UNKNOWN */
  cancelUpload(repository: RepositoryName, id: string, options?: OperationOptions): Promise<void>;
}

/** A manifest as it was pushed. */
export interface StoredManifest {
  readonly descriptor: Descriptor;
  /** Exactly the bytes pushed. Not to be written to. */
  readonly bytes: Uint8Array;
}

export interface ManifestReader {
  /** @throws MANIFEST_UNKNOWN; NAME_UNKNOWN when there is no such repository */
  getManifest(
    repository: RepositoryName,
    digest: Digest,
    options?: OperationOptions,
  ): Promise<StoredManifest>;
  /** As `getManifest`, for its descriptor alone. */
  resolveManifest(
    repository: RepositoryName,
    digest: Digest,
    options?: OperationOptions,
  ): Promise<Descriptor>;
}

/** A manifest to store. */
export interface ManifestInput {
  readonly bytes: Uint8Array;
  /** The `Content-Type` it is sent with; empty to take the manifest's own `mediaType`. */
  readonly mediaType: string;
  /** The digest that the sender computed; sha256 is used if absent. */
  readonly digest?: Digest;
  /** Tags that point at it from now on, together with it or not at all. */
  readonly tags: readonly Tag[];
  /**
   * None of `tags` may point elsewhere now: rejects with DENIED if one does. A remote registry cannot be told, so who
   * asks for this looks first, too.
   */
  readonly onlyNewTags?: boolean;
}

/** What a pushed manifest led to. */
export interface PutManifestResult {
  readonly descriptor: Descriptor;
  /** The tags that point at it now. */
  readonly tags: readonly Tag[];
  /** The digest of the manifest's `subject`: it is listed among that one's referrers. */
  readonly subject?: Digest;
  /** What the person who pushed should know. */
  readonly warnings: readonly string[];
}

export interface ManifestWriter {
  /**
   * Stores a manifest and moves tags to it, as one transaction; the repository is made if it is not there.
   * @throws MANIFEST_INVALID; MANIFEST_TOO_LARGE; DIGEST_INVALID when the bytes have another digest;
   *   MANIFEST_BLOB_UNKNOWN when the repository lacks a blob or manifest that it names, `detail` lists them as
   *   `{ digest }` (a subject and foreign layers may be missing)
   */
  putManifest(
    repository: RepositoryName,
    input: ManifestInput,
    options?: OperationOptions,
  ): Promise<PutManifestResult>;
  /**
   * Deletes a manifest and every tag that points at it.
   * @throws MANIFEST_UNKNOWN; NAME_UNKNOWN; UNSUPPORTED when an index of the repository lists it
   */
  deleteManifest(repository: RepositoryName, digest: Digest, options?: OperationOptions): Promise<void>;
}

/** One page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** What to give as `after` for the next page; absent on the last. */
  readonly next?: string;
}

/** Which part of a list is asked for. */
export interface PageOptions extends OperationOptions {
  /** Begins behind this item, which need not exist. */
  readonly after?: string;
  /** The most items; 0 gives an empty last page. An implementation may return fewer, with `next`. */
  readonly limit?: number;
}

export interface TagReader {
  /** The manifest that a tag points at. @throws MANIFEST_UNKNOWN; NAME_UNKNOWN when there is no such repository */
  getTag(repository: RepositoryName, tag: Tag, options?: OperationOptions): Promise<StoredManifest>;
  /** As `getTag`, for its descriptor alone. */
  resolveTag(repository: RepositoryName, tag: Tag, options?: OperationOptions): Promise<Descriptor>;
  /** Tags in the order of their bytes. @throws NAME_UNKNOWN */
  listTags(repository: RepositoryName, options?: PageOptions): Promise<Page<Tag>>;
  /** Deletes a tag; the manifest stays. @throws MANIFEST_UNKNOWN; NAME_UNKNOWN */
  deleteTag(repository: RepositoryName, tag: Tag, options?: OperationOptions): Promise<void>;
}

export interface ReferrerOptions extends PageOptions {
  /** Only referrers of this type. */
  readonly artifactType?: string;
}

export interface ReferrerLister {
  /**
   * Descriptors of the manifests whose `subject` is `digest`, in the order of their digests; an empty page when the
   * subject or the repository is not there. `after` is a digest.
   */
  listReferrers(
    repository: RepositoryName,
    digest: Digest,
    options?: ReferrerOptions,
  ): Promise<Page<Descriptor>>;
}

export interface RepositoryLister {
  /** Repositories that hold at least one manifest, in the order of their names' bytes. */
  listRepositories(options?: PageOptions): Promise<Page<RepositoryName>>;
}

/** What is near to something that is not there, best first, for an error's message. Cheap, bounded, never exact. */
export interface Suggester {
  /** Tags near to `missing`, then the newest; at most five. Empty when there is no such repository. */
  suggestTags(repository: RepositoryName, missing: Tag): Promise<readonly Tag[]>;
  /** Repositories with a name near to `missing`; at most five. */
  suggestRepositories(missing: RepositoryName): Promise<readonly RepositoryName[]>;
}
