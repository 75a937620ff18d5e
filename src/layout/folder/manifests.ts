import { dirname } from "node:path";
import { algorithmOf, type Digest } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import { type Manifest, parseManifest } from "../../oci/manifests.ts";
import { syncFolder } from "../../registry/files/durable.ts";
import { digestOf } from "../../registry/hash.ts";
import { missingContent, type Need, needsOf } from "../../registry/manifests.ts";
import type {
  ManifestInput,
  ManifestReader,
  ManifestWriter,
  PutManifestResult,
} from "../../registry/registry.ts";
import type { LayoutState } from "../contents.ts";
import { hasEntry, type IndexDocument, isAt, withEntry, withoutEntries, withTag } from "../document.ts";
import type { Holdings } from "../holdings.ts";
import { withLinks } from "../links.ts";
import { createManifestReader, requireManifest } from "../manifests.ts";
import { type PlaceName, placeKey } from "../names.ts";
import { type BlobWriterOptions, withoutNamedLinks } from "./blobs.ts";
import type { Change } from "./disk.ts";
import { replaceFile } from "./files.ts";
import { checkDigest } from "./ingest.ts";

/** Manifests of one registry's repositories in a folder. */
export function createManifests(
  registry: PlaceName["registry"],
  options: BlobWriterOptions,
): ManifestReader & ManifestWriter {
  const { disk, holdings } = options;
  return {
    ...createManifestReader(registry, disk, holdings),
    async putManifest(repository, input, { signal } = {}) {
      signal?.throwIfAborted();
      const manifest = parseManifest(input.bytes, input.mediaType);
      const digest = digestOf(input.bytes, input.digest && algorithmOf(input.digest));
      if (input.digest) checkDigest({ digest: input.digest }, digest);
      const place = { registry, repository };
      return disk.change((state) => insertion(options, state, place, { input, manifest, digest }));
    },
    async deleteManifest(repository, digest, { signal } = {}) {
      signal?.throwIfAborted();
      await disk.change((state) => deletion(options, state, { registry, repository }, digest));
    },
  };
}

interface Pushed {
  readonly input: ManifestInput;
  readonly manifest: Manifest;
  readonly digest: Digest;
}

async function insertion(
  options: BlobWriterOptions,
  state: LayoutState,
  place: PlaceName,
  { input, manifest, digest }: Pushed,
): Promise<Change<PutManifestResult>> {
  const { disk, holdings } = options;
  const { name } = disk.files;
  const held = await holdings.of(state.index, place);
  await checkNeeds(options, state, place, manifest, held);
  const size = input.bytes.byteLength;
  const descriptor = held.manifests.get(digest)?.descriptor ?? {
    mediaType: manifest.mediaType,
    digest,
    size,
  };
  const path = disk.paths.blob(digest);
  await replaceFile(disk.paths, path, input.bytes);
  await syncFolder(dirname(path));

  const tags = [...new Set(input.tags)];
  const listed = {
    ...descriptor,
    ...(manifest.artifactType ? { artifactType: manifest.artifactType } : {}),
  };
  let { index } = state;
  if (!held.manifests.has(digest) && tags.length === 0) index = withEntry(index, listed, place);
  for (const tag of tags) index = withTag(index, listed, { ...place, tag });
  index = withoutListed(index, place, manifest);
  const links = withoutNamedLinks(state.links, place, (await holdings.of(index, place)).blobs);
  const subject = manifest.subject?.digest;
  if (size !== descriptor.size)
    throw new RegistryError("INTERNAL", `${name} lists another size for ${digest}`);
  return { index, links, value: { descriptor, tags, warnings: [], ...(subject ? { subject } : {}) } };
}

/** An index leads to its children, so that their entries without a tag are not needed beside it. */
function withoutListed(index: IndexDocument, place: PlaceName, manifest: Manifest): IndexDocument {
  const types = new Map(
    needsOf(manifest).flatMap(({ kind, descriptor }) =>
      kind === "manifest" ? [[descriptor.digest, descriptor.mediaType]] : [],
    ),
  );
  return withoutEntries(
    index,
    (entry) =>
      isAt(entry, place) &&
      entry.tag === undefined &&
      types.get(entry.descriptor.digest) === entry.descriptor.mediaType,
  );
}

/** @throws RegistryError MANIFEST_BLOB_UNKNOWN; MANIFEST_INVALID when a descriptor's size is another */
async function checkNeeds(
  { finder }: BlobWriterOptions,
  state: LayoutState,
  place: PlaceName,
  manifest: Manifest,
  held: Holdings,
): Promise<void> {
  const sizeOf = async ({ descriptor: { digest }, kind }: Need): Promise<number | undefined> => {
    const child = kind === "blob" ? undefined : held.manifests.get(digest);
    if (child) return child.descriptor.size;
    return kind === "manifest" ? undefined : (await finder.find(state, place, digest))?.size;
  };
  const missing = new Set<Digest>();
  for (const need of needsOf(manifest)) {
    const { digest, size } = need.descriptor;
    const found = await sizeOf(need);
    if (found === undefined) missing.add(digest);
    else if (found !== size) {
      throw new RegistryError(
        "MANIFEST_INVALID",
        `invalid manifest: it says that ${digest} has ${size} bytes, but it has ${found}`,
      );
    }
  }
  if (missing.size > 0) throw missingContent(place.repository, [...missing]);
}

/** Its children stay as manifests without a tag, its blobs as blobs of the place. */
async function deletion(
  { disk, holdings }: BlobWriterOptions,
  state: LayoutState,
  place: PlaceName,
  digest: Digest,
): Promise<Change<undefined>> {
  const { manifest } = await requireManifest(state, holdings, disk.files.name, place, digest);
  const before = await holdings.of(state.index, place);
  const lister = before.listedBy.get(digest);
  if (lister) {
    throw new RegistryError(
      "UNSUPPORTED",
      `manifest ${digest} is listed by index ${lister} of ${placeKey(place)}: delete that index first`,
      { detail: { index: lister } },
    );
  }
  let index = withoutEntries(
    state.index,
    (entry) => isAt(entry, place) && entry.descriptor.digest === digest,
  );
  for (const { descriptor } of manifest ? needsOf(manifest) : []) {
    const child = before.manifests.get(descriptor.digest);
    const isReached = (await holdings.of(index, place)).manifests.has(descriptor.digest);
    if (child && !isReached && !hasEntry(index, place, descriptor.digest)) {
      index = withEntry(index, child.descriptor, place);
    }
  }
  const after = await holdings.of(index, place);
  const kept = [...before.blobs.keys()].filter((blob) => !after.blobs.has(blob));
  const links = withLinks(state.links, place, kept, "kept");
  const isGarbage = await holdings.isGarbage({ index, links }, digest);
  return { index, links, garbage: isGarbage ? [digest] : [], value: undefined };
}
