/**
 * Names, references, digests, media types, descriptors, manifests and errors of the Open Container Initiative's
 * formats. Pure functions without input or output: runs on Bun, on Node 20 or newer and in a browser.
 *
 * @module
 */
export type { Descriptor, Platform } from "./descriptors.ts";
export {
  algorithmOf,
  type Digest,
  type DigestAlgorithm,
  encodedLength,
  encodedOf,
  isDigest,
  isDigestAlgorithm,
  parseDigest,
  parseDigestAlgorithm,
} from "./digests.ts";
export {
  type ErrorCode,
  type ErrorEntry,
  errorCodeOf,
  errorTable,
  isRegistryError,
  RegistryError,
  type RegistryErrorOptions,
} from "./errors.ts";
export {
  type ImageManifest,
  type Index,
  isIndex,
  type Manifest,
  type ManifestFields,
  maxManifestSize,
  parseDescriptor,
  parseManifest,
  referrerDescriptor,
} from "./manifests.ts";
export {
  bareMediaType,
  isForeignLayerType,
  isImageManifestType,
  isIndexType,
  isManifestType,
  isSchema1Type,
  mediaTypes,
} from "./media-types.ts";
export {
  isRepositoryName,
  isTag,
  maxRepositoryNameLength,
  maxTagLength,
  parseRepositoryName,
  parseTag,
  type RepositoryName,
  type Tag,
} from "./names.ts";
export {
  defaultRegistry,
  defaultTag,
  familiarName,
  familiarReference,
  formatReference,
  parseReference,
  parseRegistryName,
  type Reference,
  type RegistryName,
  withDefaultTag,
} from "./references.ts";
