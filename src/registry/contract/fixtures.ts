import type { Descriptor } from "../../oci/descriptors.ts";
import type { DigestAlgorithm } from "../../oci/digests.ts";
import { type ErrorCode, isRegistryError, RegistryError } from "../../oci/errors.ts";
import { mediaTypes } from "../../oci/media-types.ts";
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from "../../oci/names.ts";
import { openBlob } from "../blobs.ts";
import { digestOf } from "../hash.ts";
import type { ByteRange, Page, PutManifestResult, Registry } from "../registry.ts";
import { bytesOf, streamOf } from "../streams.ts";

/** Where most tests work. */
export const repositoryA: RepositoryName = parseRepositoryName("team/a");
/** Another repository. */
export const repositoryB: RepositoryName = parseRepositoryName("team/b");
/** A repository that no test makes. */
export const emptyRepository: RepositoryName = parseRepositoryName("nobody/was/here");
/** Tags from texts. */
export const tags = (...names: string[]): Tag[] => names.map(parseTag);

/** Bytes that look random and are the same for the same seed and size. */
export function bytesFor(seed: number, size = 1000): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = seed * 2654435761 + 1;
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

/** A value as JSON. */
export function jsonBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** Bytes as UTF-8. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** The descriptor of bytes. */
export function describeBytes(
  bytes: Uint8Array,
  mediaType = "application/octet-stream",
  algorithm: DigestAlgorithm = "sha256",
): Descriptor {
  return { mediaType, digest: digestOf(bytes, algorithm), size: bytes.byteLength };
}

/** A body of these pieces; an error among them breaks it off there. Nothing is given before it is asked for. */
export function bodyOf(...pieces: readonly (Uint8Array | Error)[]): ReadableStream<Uint8Array> {
  const rest = [...pieces];
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const piece = rest.shift();
        if (piece instanceof Error) throw piece;
        if (piece) controller.enqueue(piece);
        else controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}

/** A body that waits after its first piece. */
export function heldBody(first: Uint8Array, rest: Uint8Array = new Uint8Array(0)) {
  const held = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  let asked = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (asked++ === 0) return controller.enqueue(first);
        held.resolve();
        await released.promise;
        if (rest.byteLength > 0) controller.enqueue(rest);
        controller.close();
      },
      cancel: () => released.resolve(),
    },
    { highWaterMark: 0 },
  );
  /** `held` resolves when the first piece was taken and the next is asked for. */
  return { body, held: held.promise, release: released.resolve };
}

/** Pushes a blob whole. */
export async function pushBlob(
  registry: Registry,
  repository: RepositoryName,
  bytes: Uint8Array,
  algorithm: DigestAlgorithm = "sha256",
): Promise<Descriptor> {
  const { digest, size } = describeBytes(bytes, undefined, algorithm);
  return registry.putBlob(repository, { digest, size }, streamOf(bytes));
}

/** The bytes of a blob, or of a part of it. */
export async function readBlob(
  registry: Registry,
  repository: RepositoryName,
  { digest }: Pick<Descriptor, "digest">,
  range?: ByteRange,
): Promise<Uint8Array> {
  return bytesOf(await openBlob(await registry.getBlob(repository, digest), range));
}

/** What an image for tests is made of. */
export interface ImageParts {
  readonly layers?: readonly Uint8Array[];
  readonly config?: unknown;
  readonly subject?: Descriptor;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly tags?: readonly Tag[];
  readonly algorithm?: DigestAlgorithm;
}

/** A manifest that was pushed, and all that it names. */
export interface PushedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  /** Config first. */
  readonly blobs: readonly Descriptor[];
  readonly result: PutManifestResult;
}

/** The manifest of an image, without its blobs being pushed. */
export function imageBytes(config: Descriptor, layers: readonly Descriptor[], more: object = {}): Uint8Array {
  return jsonBytes({ schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers, ...more });
}

/** An index, without its children being pushed. */
export function indexBytes(manifests: readonly Descriptor[], more: object = {}): Uint8Array {
  return jsonBytes({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests, ...more });
}

/** Pushes an image with its blobs; two layers if none are given. */
export async function pushImage(
  registry: Registry,
  repository: RepositoryName,
  parts: ImageParts = {},
): Promise<PushedManifest> {
  const { layers = [bytesFor(1), bytesFor(2)], config = { architecture: "amd64", os: "linux" } } = parts;
  const { subject, artifactType, annotations, tags: names = [], algorithm = "sha256" } = parts;
  const blobs = [await pushBlob(registry, repository, jsonBytes(config))];
  for (const layer of layers) blobs.push(await pushBlob(registry, repository, layer));
  const [configBlob, ...layerBlobs] = blobs.map((blob, at) => ({
    ...blob,
    mediaType: at === 0 ? mediaTypes.ociConfig : mediaTypes.ociLayerTar,
  }));
  if (!configBlob) throw new Error("an image has a config");
  const more = {
    ...(subject ? { subject } : {}),
    ...(artifactType ? { artifactType } : {}),
    ...(annotations ? { annotations } : {}),
  };
  const bytes = imageBytes(configBlob, layerBlobs, more);
  const digest = digestOf(bytes, algorithm);
  const mediaType = mediaTypes.ociManifest;
  const result = await registry.putManifest(repository, { bytes, mediaType, digest, tags: names });
  return { descriptor: result.descriptor, bytes, blobs, result };
}

/** Pushes an index of children that are there. */
export async function pushIndex(
  registry: Registry,
  repository: RepositoryName,
  children: readonly Descriptor[],
  { tags: names = [], more = {} }: { readonly tags?: readonly Tag[]; readonly more?: object } = {},
): Promise<PushedManifest> {
  const bytes = indexBytes(children, more);
  const result = await registry.putManifest(repository, {
    bytes,
    mediaType: mediaTypes.ociIndex,
    tags: names,
  });
  return { descriptor: result.descriptor, bytes, blobs: [], result };
}

/** Pushes bytes as a manifest, as they are. */
export function pushBytes(
  registry: Registry,
  repository: RepositoryName,
  bytes: Uint8Array,
  names: readonly Tag[] = [],
): Promise<PutManifestResult> {
  return registry.putManifest(repository, { bytes, mediaType: "", tags: names });
}

/** What a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  const result = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ("error" in result) return result.error;
  throw new Error(`expected a rejection, but it resolved to ${JSON.stringify(result.value)}`);
}

/** The RegistryError that a promise rejects with, which has to be of this code. */
export async function errorOf(promise: Promise<unknown>, code: ErrorCode): Promise<RegistryError> {
  const error = await failureOf(promise);
  if (isRegistryError(error, code)) return error;
  throw new Error(`expected a RegistryError ${code}, but it rejected with ${describeError(error)}`, {
    cause: error,
  });
}

function describeError(error: unknown): string {
  return error instanceof RegistryError ? `${error.code}: ${error.message}` : String(error);
}

/** All items of a list, page by page; fails when a page is too long, or none follows where `next` promised one. */
export async function allPages<T>(
  list: (page: { readonly after?: string; readonly limit: number }) => Promise<Page<T>>,
  limit: number,
): Promise<T[]> {
  const items: T[] = [];
  let after: string | undefined;
  do {
    const page = await list({ limit, ...(after === undefined ? {} : { after }) });
    if (page.items.length > limit)
      throw new Error(`a page has ${page.items.length} items, the limit was ${limit}`);
    if (page.items.length === 0 && (page.next !== undefined || after !== undefined)) {
      throw new Error("a page is empty, though it is not the only one");
    }
    items.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return items;
}
