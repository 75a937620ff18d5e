/** The contract of everything that holds repositories, and what works on any of it. */
export { openBlob } from "./blobs.ts";
export type { CopyEvent } from "./copy/events.ts";
export type { Place } from "./copy/place.ts";
export {
  type CopyDestination,
  type CopyOptions,
  type CopyResult,
  type CopySource,
  copy,
} from "./copy.ts";
export { createHasher, digestOf, type Hasher } from "./hash.ts";
export { createMemoryRegistry, type MemoryRegistry, type MemoryRegistryOptions } from "./memory.ts";
export type {
  AppendOptions,
  BlobHandle,
  BlobReader,
  BlobSource,
  BlobWriter,
  ByteRange,
  ExpectedBlob,
  GetBlobOptions,
  ManifestInput,
  ManifestReader,
  ManifestWriter,
  MountOptions,
  OpenBlobOptions,
  OperationOptions,
  Page,
  PageOptions,
  PutBlobOptions,
  PutManifestResult,
  ReferrerLister,
  ReferrerOptions,
  Registry,
  RepositoryLister,
  StartUploadOptions,
  StoredManifest,
  Suggester,
  TagReader,
  UploadSession,
  UploadWriter,
} from "./registry.ts";
