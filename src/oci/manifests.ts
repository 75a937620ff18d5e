import type { Descriptor, Platform } from "./descriptors.ts";
import { type Digest, parseDigest } from "./digests.ts";
import { quote, RegistryError } from "./errors.ts";
import { bareMediaType, isIndexType, isManifestType, isSchema1Type, mediaTypes } from "./media-types.ts";
import { parseStrictJson } from "./strict-json.ts";

/** The most bytes that a manifest may have. The spec asks registries for at least 4 MiB. */
export const maxManifestSize = 8 * 1024 * 1024;

/** What an image manifest and an index have in common. */
export interface ManifestFields {
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
  refuseLookalikes(object, manifestFields, "the manifest");
  if (object.schemaVersion === 1) throw schema1();
  if (object.schemaVersion !== 2) {
    throw invalid(`schemaVersion is ${shown(object.schemaVersion)}, expected 2`);
  }
  const mediaType = decideMediaType(object, announced);
  const shared = parseShared(object, mediaType);
  if (isIndexType(mediaType)) {
    // "This REQUIRED property contains a list of manifests"; null is how Go writes an empty one.
    if (object.manifests === undefined) throw invalid("manifests is missing");
    return { ...shared, manifests: parseDescriptors(object.manifests, "manifests") };
  }
  return {
    ...shared,
    config: parseDescriptor(object.config, "config"),
    layers: parseDescriptors(object.layers, "layers"),
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
  const { subject } = object;
  return {
    mediaType,
    ...present("artifactType", optionalString(object.artifactType, "artifactType")),
    ...present(
      "subject",
      subject === undefined || subject === null ? undefined : parseDescriptor(subject, "subject"),
    ),
    ...present("annotations", parseAnnotations(object.annotations, "annotations")),
  };
}

/**
 * Parses a descriptor. Fields without a meaning here are passed on as they came; null counts as missing.
 * @param where what the descriptor is, for messages: `layers[3]`
 * @throws RegistryError MANIFEST_INVALID
 */
export function parseDescriptor(value: unknown, where: string): Descriptor {
  const object = asObject(value, where);
  refuseLookalikes(object, descriptorFields, where);
  const { mediaType, digest, size, urls, annotations, data, artifactType, platform, ...others } = object;
  if (typeof mediaType !== "string" || mediaType === "") {
    throw invalid(`${where}.mediaType is ${shown(mediaType)}, expected a media type`);
  }
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(`${where}.size is ${shown(size)}, expected a whole number of bytes`);
  }
  return {
    ...others,
    mediaType,
    digest: parseDescriptorDigest(digest, `${where}.digest`),
    size,
    ...present("urls", optionalStrings(urls, `${where}.urls`)),
    ...present("annotations", parseAnnotations(annotations, `${where}.annotations`)),
    ...present("data", optionalString(data, `${where}.data`)),
    ...present("artifactType", optionalString(artifactType, `${where}.artifactType`)),
    ...present("platform", parsePlatform(platform, `${where}.platform`)),
  };
}

function parseDescriptorDigest(value: unknown, where: string): Digest {
  if (typeof value !== "string") throw invalid(`${where} is ${shown(value)}, expected a digest`);
  try {
    return parseDigest(value);
  } catch (cause) {
    throw invalid(`${where}: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
}

function parsePlatform(value: unknown, where: string): Platform | undefined {
  if (value === undefined || value === null) return undefined;
  const object = asObject(value, where);
  const { architecture, os, variant, "os.version": version, "os.features": features, ...others } = object;
  return {
    ...others,
    // REQUIRED by the specification, but indexes without them are about.
    architecture: optionalString(architecture, `${where}.architecture`) ?? "",
    os: optionalString(os, `${where}.os`) ?? "",
    ...present("variant", optionalString(variant, `${where}.variant`)),
    ...present("os.version", optionalString(version, `${where}["os.version"]`)),
    ...present("os.features", optionalStrings(features, `${where}["os.features"]`)),
  };
}

function parseDescriptors(value: unknown, where: string): Descriptor[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw invalid(`${where} is ${shown(value)}, expected a list`);
  return value.map((item, at) => parseDescriptor(item, `${where}[${at}]`));
}

function parseAnnotations(value: unknown, where: string): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined;
  const object = asObject(value, where);
  for (const [key, text] of Object.entries(object)) {
    if (typeof text !== "string")
      throw invalid(`${where}[${quote(key)}] is ${shown(text)}, expected a string`);
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

const manifestFields = fieldsByFold(
  "schemaVersion mediaType artifactType config layers manifests subject annotations",
);
const descriptorFields = fieldsByFold("mediaType digest size urls annotations data artifactType platform");

/**
 * Refuses a key that differs from a field's name only in case. Clients written in Go take `Layers` for `layers`, so
 * what they fetch would not be what was checked here.
 */
function refuseLookalikes(object: object, fields: ReadonlyMap<string, string>, where: string): void {
  for (const key of Object.keys(object)) {
    const field = fields.get(fold(key));
    if (field !== undefined && field !== key) {
      throw invalid(
        `${where} has the key ${quote(key)}, which some clients read as ${quote(field)}: remove it`,
      );
    }
  }
}

function fieldsByFold(names: string): ReadonlyMap<string, string> {
  return new Map(names.split(" ").map((name) => [fold(name), name]));
}

/** As Go's JSON compares names: also \u017f is an s, and \u212a a k. */
function fold(key: string): string {
  return key.toUpperCase().toLowerCase();
}

function asObject(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(`${where} is ${shown(value)}, expected an object`);
  }
  return value as Record<string, unknown>; // safe: an object that is not a list
}

function optionalString(value: unknown, where: string): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw invalid(`${where} is ${shown(value)}, expected a string`);
  return value;
}

function optionalStrings(value: unknown, where: string): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw invalid(`${where} is ${shown(value)}, expected a list of strings`);
  const other = value.findIndex((item) => typeof item !== "string");
  if (other >= 0) throw invalid(`${where}[${other}] is ${shown(value[other])}, expected a string`);
  return value as string[]; // safe: each item was just checked
}

/** The one field, to be spread into an object, or none when there is no value. */
function present<Key extends string, Value>(
  key: Key,
  value: Value | undefined,
): { readonly [K in Key]?: Value } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [K in Key]?: Value }; // safe: the key is the only one
}

/** A value in a message, short whatever was sent. */
function shown(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value === "string") return quote(value);
  return typeof value === "object" && value !== null
    ? Array.isArray(value)
      ? "a list"
      : "an object"
    : String(value);
}

function invalid(reason: string, cause?: unknown): RegistryError {
  return new RegistryError("MANIFEST_INVALID", `invalid manifest: ${reason}`, cause ? { cause } : {});
}

function schema1(): RegistryError {
  return new RegistryError(
    "MANIFEST_INVALID",
    "this image is in the old format schema 1, which has no verifiable digests and is not stored: " +
      "pull it with a docker of version 20 to 27 and push it again, which converts it",
    { detail: { schemaVersion: 1 } },
  );
}
