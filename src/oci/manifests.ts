import type { Descriptor } from "./descriptors.ts";
import { type Digest, isDigest, parseDigest } from "./digests.ts";
import { quote, RegistryError } from "./errors.ts";
import { bareMediaType, isIndexType, isManifestType, isSchema1Type, mediaTypes } from "./media-types.ts";
import { parseStrictJson } from "./strict-json.ts";

/** The most bytes that a manifest may have. The spec asks registries for at least 4 MiB. */
export const maxManifestSize = 8 * 1024 * 1024;

interface ManifestFields {
  /** The type that the manifest is stored and served under, one that `isManifestType` knows. */
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An image or artifact. https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md */
export interface ImageManifest extends ManifestFields {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** A list of manifests. https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md */
export interface Index extends ManifestFields {
  readonly manifests: readonly Descriptor[];
}

/** A parsed manifest. Its bytes, which alone have its digest, are kept beside it. */
export type Manifest = ImageManifest | Index;

/** Whether `manifest` lists other manifests. */
export function isIndex(manifest: Manifest): manifest is Index {
  return "manifests" in manifest;
}

/**
 * Parses a manifest's bytes.
 * @param contentType the type it was sent with; may have parameters; empty when the sender named none
 * @throws RegistryError MANIFEST_INVALID with what was wrong and where; MANIFEST_TOO_LARGE
 */
export function parseManifest(bytes: Uint8Array, contentType: string): Manifest {
  if (bytes.byteLength > maxManifestSize) {
    throw new RegistryError(
      "MANIFEST_TOO_LARGE",
      `the manifest has ${bytes.byteLength} bytes, the most is ${maxManifestSize}`,
    );
  }
  const announced = bareMediaType(contentType);
  if (isSchema1Type(announced)) throw schema1();
  let value: unknown;
  try {
    value = parseStrictJson(bytes);
  } catch (cause) {
    throw invalid(cause instanceof Error ? cause.message : String(cause), cause);
  }
  const object = asObject(value, "the manifest");
  if (object.schemaVersion === 1) throw schema1();
  if (object.schemaVersion !== 2) {
    throw invalid(`schemaVersion is ${JSON.stringify(object.schemaVersion) ?? "missing"}, expected 2`);
  }
  const mediaType = decideMediaType(object, announced);
  const shared = parseShared(object, mediaType);
  if (isIndexType(mediaType))
    return { ...shared, manifests: parseDescriptors(object.manifests, "manifests") };
  return {
    ...shared,
    config: parseDescriptor(object.config, "config"),
    layers: parseDescriptors(object.layers ?? [], "layers"),
  };
}

// "If a manifest includes a mediaType field, clients MUST set the Content-Type header to the value specified by the
// mediaType field."
function decideMediaType(object: Record<string, unknown>, announced: string): string {
  const inside = optionalString(object.mediaType, "mediaType");
  if (inside && announced && isManifestType(announced) && inside !== announced) {
    throw invalid(`its mediaType is ${quote(inside)}, but it was sent with Content-Type ${quote(announced)}`);
  }
  const generic =
    announced === "" || announced === "application/json" || announced === "application/octet-stream";
  const mediaType = inside ?? (generic ? guessMediaType(object) : announced);
  if (!isManifestType(mediaType) || (!generic && !isManifestType(announced))) {
    const found = isManifestType(mediaType) ? announced : mediaType;
    throw invalid(
      `media type ${quote(found)} is not one of a manifest: expected ${mediaTypes.ociManifest}, ` +
        `${mediaTypes.ociIndex}, ${mediaTypes.dockerManifest} or ${mediaTypes.dockerList}`,
    );
  }
  // A document that is both an image and an index means different things to different readers (CVE-2021-41190).
  const other = isIndexType(mediaType) ? ["config", "layers"] : ["manifests"];
  for (const key of other) {
    if (object[key] !== undefined && object[key] !== null) {
      throw invalid(`it has ${quote(key)}, which ${quote(mediaType)} does not have`);
    }
  }
  return mediaType;
}

function guessMediaType(object: Record<string, unknown>): string {
  return "manifests" in object ? mediaTypes.ociIndex : mediaTypes.ociManifest;
}

function parseShared(object: Record<string, unknown>, mediaType: string): ManifestFields {
  const artifactType = optionalString(object.artifactType, "artifactType");
  const annotations = parseAnnotations(object.annotations, "annotations");
  return {
    mediaType,
    ...(artifactType ? { artifactType } : {}),
    ...(object.subject === undefined || object.subject === null
      ? {}
      : { subject: parseDescriptor(object.subject, "subject") }),
    ...(annotations ? { annotations } : {}),
  };
}

/** @throws RegistryError MANIFEST_INVALID */
export function parseDescriptor(value: unknown, where: string): Descriptor {
  const object = asObject(value, where);
  if (typeof object.mediaType !== "string" || object.mediaType === "") {
    throw invalid(`${where}.mediaType is missing`);
  }
  if (typeof object.digest !== "string") throw invalid(`${where}.digest is missing`);
  let digest: Digest;
  try {
    digest = isDigest(object.digest) ? object.digest : parseDigest(object.digest);
  } catch (cause) {
    throw invalid(`${where}.digest: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  const size = object.size;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(`${where}.size is ${JSON.stringify(size) ?? "missing"}, expected a whole number of bytes`);
  }
  // Safe: the fields with a meaning are checked above; the others are passed on as they came.
  return { ...object, mediaType: object.mediaType, digest, size } as Descriptor;
}

function parseDescriptors(value: unknown, where: string): Descriptor[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw invalid(`${where} is not a list`);
  return value.map((item, at) => parseDescriptor(item, `${where}[${at}]`));
}

function parseAnnotations(value: unknown, where: string): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined;
  const object = asObject(value, where);
  for (const [key, text] of Object.entries(object)) {
    if (typeof text !== "string") throw invalid(`${where}[${quote(key)}] is not a string`);
  }
  return object as Record<string, string>; // safe: each value was just checked
}

/**
 * How a manifest stands in a list of referrers.
 * "The descriptors MUST include an artifactType field that is set to the value of the artifactType in the image
 * manifest or index, if present. If the artifactType is empty or missing in the image manifest, the value of
 * artifactType MUST be set to the config descriptor mediaType value. If the artifactType is empty or missing in an
 * index, the artifactType MUST be omitted. The descriptors MUST include annotations from the image manifest or index."
 */
export function referrerDescriptor(manifest: Manifest, digest: Digest, size: number): Descriptor {
  const artifactType = manifest.artifactType ?? (isIndex(manifest) ? undefined : manifest.config.mediaType);
  return {
    mediaType: manifest.mediaType,
    digest,
    size,
    ...(artifactType ? { artifactType } : {}),
    ...(manifest.annotations ? { annotations: manifest.annotations } : {}),
  };
}

function asObject(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(`${where} is ${value === undefined ? "missing" : "not an object"}`);
  }
  return value as Record<string, unknown>; // safe: an object that is not a list
}

function optionalString(value: unknown, where: string): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw invalid(`${where} is not a string`);
  return value;
}

function invalid(reason: string, cause?: unknown): RegistryError {
  return new RegistryError("MANIFEST_INVALID", `invalid manifest: ${reason}`, cause ? { cause } : {});
}

function schema1(): RegistryError {
  return new RegistryError(
    "MANIFEST_INVALID",
    "this image is in the old format schema 1, which has no verifiable digests and is not stored: " +
      "pull it with a docker of version 20 to 27 and push it again, which converts it",
  );
}
