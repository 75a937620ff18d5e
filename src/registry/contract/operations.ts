import fc from "fast-check";
import type { Descriptor } from "../../oci/descriptors.ts";
import { mediaTypes } from "../../oci/media-types.ts";
import { parseRepositoryName, type RepositoryName, type Tag } from "../../oci/names.ts";
import type { ManifestInput } from "../registry.ts";
import { bytesFor, describeBytes, imageBytes, indexBytes, tags } from "./fixtures.ts";

/** The small world in which random operations meet each other often. */
export const repositories: readonly RepositoryName[] = ["a", "a-b", "a/b"].map(parseRepositoryName);
/** Tags of the small world. */
export const tagNames: readonly Tag[] = tags("1", "1.0", "latest", "_x");
/** Blobs of the small world. */
export const blobs: readonly Uint8Array[] = [
  bytesFor(1, 10),
  bytesFor(2, 70_000),
  bytesFor(3),
  bytesFor(4, 0),
];
const blobDescriptors = blobs.map((bytes, at) =>
  describeBytes(
    bytes,
    at === 0 ? mediaTypes.ociConfig : mediaTypes.ociLayerTar,
    at === 2 ? "sha512" : "sha256",
  ),
);
/** Types of the referrers in the small world. */
export const artifactTypes = ["example/sig", "example/sbom"] as const;
/** Manifests of the small world. */
export const manifests: readonly Omit<ManifestInput, "tags">[] = makeManifests();

/** One step of a random walk. Numbers are positions in the lists above, or among the sessions that were begun. */
export type Operation =
  | { kind: "putBlob"; repository: number; blob: number; lie: "none" | "digest" | "longer" | "shorter" }
  | {
      kind: "mountBlob";
      repository: number;
      blob: number;
      from: number | undefined;
      hidden: number;
      unlessDeleted: boolean;
    }
  | { kind: "deleteBlob" | "readBlob"; repository: number; blob: number }
  | { kind: "putManifest"; repository: number; manifest: number; tags: number[] }
  | {
      kind: "deleteManifest" | "getManifest" | "listReferrers";
      repository: number;
      manifest: number;
      limit: number;
    }
  | { kind: "getTag" | "deleteTag"; repository: number; tag: number }
  | { kind: "listTags"; repository: number; limit: number }
  | { kind: "listRepositories"; limit: number }
  | { kind: "startUpload"; repository: number }
  | { kind: "getUpload" | "cancelUpload"; repository: number; session: number }
  | {
      kind: "appendUpload";
      repository: number;
      session: number;
      blob: number;
      half: 0 | 1;
      shift: 0 | 1;
      short: boolean;
    }
  | { kind: "finishUpload"; repository: number; session: number; wrong: boolean };

const repository = fc.constantFrom(0, 0, 0, 0, 1, 1, 2); // mostly one, so that what it needs comes together
const blob = fc.nat(blobs.length - 1);
const manifest = fc.oneof(fc.constantFrom(0, 1, 8), fc.nat(manifests.length - 1)); // 8 is an index of 0
const tag = fc.nat(tagNames.length - 1);
const session = fc.constantFrom(0, 0, 0, 1, 2);
const limit = fc.constantFrom(0, 1, 2, 100);
const seldom = fc.oneof(
  { weight: 7, arbitrary: fc.constant(false) },
  { weight: 1, arbitrary: fc.constant(true) },
);

const operations = {
  putBlob: fc.record({
    repository,
    blob,
    lie: fc.constantFrom("none", "none", "none", "none", "none", "none", "digest", "longer", "shorter"),
  }),
  mountBlob: fc.record({
    repository,
    blob,
    from: fc.option(repository, { nil: undefined }),
    hidden: fc.nat(repositories.length), // one behind the last: none is hidden
    unlessDeleted: fc.boolean(),
  }),
  deleteBlob: fc.record({ repository, blob }),
  readBlob: fc.record({ repository, blob }),
  putManifest: fc.record({ repository, manifest, tags: fc.array(tag, { maxLength: 3 }) }),
  deleteManifest: fc.record({ repository, manifest }),
  getManifest: fc.record({ repository, manifest }),
  listReferrers: fc.record({ repository, manifest, limit }),
  getTag: fc.record({ repository, tag }),
  deleteTag: fc.record({ repository, tag }),
  listTags: fc.record({ repository, limit }),
  listRepositories: fc.record({ limit }),
  startUpload: fc.record({ repository }),
  getUpload: fc.record({ repository, session }),
  cancelUpload: fc.record({ repository, session }),
  appendUpload: fc.record({
    repository,
    session,
    blob,
    half: fc.constantFrom(0, 1),
    shift: fc.constantFrom(0, 0, 0, 1),
    short: seldom,
  }),
  finishUpload: fc.record({ repository, session, wrong: seldom }),
};

const often = new Set(["putBlob", "putManifest", "startUpload", "appendUpload"]);

/** Any one operation. */
export const anyOperation = fc.oneof(
  ...Object.entries(operations).map(([kind, fields]) => ({
    weight: often.has(kind) ? 4 : 1,
    arbitrary: (fields as fc.Arbitrary<object>).map((rest) => ({ kind, ...rest })), // safe: all are records
  })),
) as unknown as fc.Arbitrary<Operation>; // safe: each kind comes with the fields that Operation lists for it

function at(list: readonly Descriptor[], position: number): Descriptor {
  const found = list[position];
  if (!found) throw new RangeError(`there is no item ${position}`);
  return found;
}

/** Images, indexes, referrers, and some that can never be stored; each later one may name those before it. */
function makeManifests(): Omit<ManifestInput, "tags">[] {
  const [config, layer, other, empty] = [0, 1, 2, 3].map((each) => at(blobDescriptors, each)) as [
    Descriptor,
    Descriptor,
    Descriptor,
    Descriptor,
  ]; // safe: four go in
  const made: Descriptor[] = [];
  const inputs: Omit<ManifestInput, "tags">[] = [];
  const add = (
    bytes: Uint8Array,
    mediaType: string,
    algorithm: "sha256" | "sha512" = "sha256",
  ): Descriptor => {
    const descriptor = describeBytes(bytes, mediaType, algorithm);
    made.push(descriptor);
    inputs.push({ bytes, mediaType, digest: descriptor.digest });
    return descriptor;
  };
  const image = (layers: Descriptor[], more: object = {}, algorithm?: "sha256" | "sha512") =>
    add(imageBytes(config, layers, more), mediaTypes.ociManifest, algorithm);
  const index = (children: Descriptor[], more: object = {}) =>
    add(indexBytes(children, more), mediaTypes.ociIndex);

  const one = image([layer]);
  const two = image([layer, other, empty], { artifactType: artifactTypes[0] }, "sha512");
  const absent = describeBytes(bytesFor(77), mediaTypes.ociManifest);
  image([empty], { subject: one, artifactType: artifactTypes[0] });
  image([], { subject: one, artifactType: artifactTypes[1], annotations: { a: "b" } });
  image([], { subject: absent });
  image([{ ...absent, mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar" }]);
  image([absent]);
  image([{ ...layer, size: layer.size + 1 }]);
  const inner = index([one]);
  index([one, two]);
  index([inner, one, other]);
  index([], { subject: two, artifactType: artifactTypes[1] });
  index([{ ...one, size: 1 }]);
  add(new TextEncoder().encode('{"schemaVersion": 2}'), mediaTypes.ociManifest);
  return inputs;
}

/** The descriptor under which a blob of the list above is pushed. */
export function blobAt(position: number): { readonly bytes: Uint8Array; readonly descriptor: Descriptor } {
  const bytes = blobs[position];
  if (!bytes) throw new RangeError(`there is no blob ${position}`);
  return { bytes, descriptor: at(blobDescriptors, position) };
}

/** A manifest of the list above, with the digest under which it is pushed. */
export function manifestAt(position: number): Required<Omit<ManifestInput, "tags" | "onlyNewTags">> {
  const input = manifests[position];
  if (!input?.digest) throw new RangeError(`there is no manifest ${position}`);
  return { ...input, digest: input.digest };
}
