import { dirname } from "node:path";
import { blobDescriptor } from "../../oci/descriptors.ts";
import type { Digest } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import { syncFolder } from "../../registry/files/durable.ts";
import type { BlobReader, BlobWriter } from "../../registry/registry.ts";
import { type BlobFinder, createBlobReader, unknownBlob } from "../blobs.ts";
import type { FoundBlob, LayoutState } from "../contents.ts";
import type { HoldingsReader } from "../holdings.ts";
import { isDeleted, isLinked, type Links, withLinks, withoutLinks } from "../links.ts";
import { type PlaceName, placeOf } from "../names.ts";
import type { Change, LayoutDisk } from "./disk.ts";
import { adoptBlob } from "./files.ts";
import type { Ingest, IngestedFile } from "./ingest.ts";

/** What the blobs of a folder stand on. */
export interface BlobWriterOptions {
  readonly disk: LayoutDisk;
  readonly ingest: Ingest;
  readonly holdings: HoldingsReader;
  readonly finder: BlobFinder;
}

/** Gives a verified file its name among the blobs and links it to a place, or removes it. */
export async function linkFile(
  { disk, ingest }: Pick<BlobWriterOptions, "disk" | "ingest">,
  place: PlaceName,
  digest: Digest,
  { path }: IngestedFile,
): Promise<void> {
  const target = disk.paths.blob(digest);
  try {
    await disk.change(async ({ links }) => {
      await adoptBlob(path, target);
      await syncFolder(dirname(target));
      return { links: withLinks(links, place, [digest], "pushed"), value: undefined };
    });
  } finally {
    await ingest.discard(path); // it has another name by now, unless that failed
  }
}

/** Blobs of one registry's repositories in a folder. */
export function createBlobs(
  registry: PlaceName["registry"],
  options: BlobWriterOptions,
): BlobReader & BlobWriter {
  const { disk, ingest, holdings, finder } = options;
  const { name } = disk.files;
  const reader = createBlobReader(registry, disk, finder);

  const lend = async (place: PlaceName, digest: Digest): Promise<FoundBlob> =>
    disk.change(async (state) => {
      const found = await finder.find(state, place, digest);
      if (!found) throw unknownBlob(name, place, digest);
      return { links: withLinks(state.links, place, [digest], "pushed"), value: found };
    });

  return {
    getBlob: reader.getBlob,
    async resolveBlob(repository, digest, { signal } = {}) {
      await reader.resolveBlob(repository, digest, signal ? { signal } : {}); // most questions are about what is missing
      return blobDescriptor(digest, (await lend({ registry, repository }, digest)).size);
    },
    async putBlob(repository, expected, body, putOptions = {}) {
      await disk.current(); // before bytes come: whether this is a layout at all
      const file = await ingest.receiveBlob(expected, body, putOptions);
      await linkFile(options, { registry, repository }, expected.digest, file);
      return blobDescriptor(expected.digest, file.size);
    },
    async mountBlob(repository, digest, mountOptions = {}) {
      const { from, mayRead = () => true, unlessDeleted, signal } = mountOptions;
      signal?.throwIfAborted();
      const place = { registry, repository };
      const isAllowed = (holder: PlaceName): boolean =>
        mayRead(holder.repository) &&
        (from === undefined || (holder.registry === registry && holder.repository === from));
      if (!(await disk.files.findBlob(digest))) return undefined;
      return disk.change(async (state) => {
        const holders = (await holdings.holdersOf(state, digest)).map(placeOf);
        const found = holders.some(isAllowed) ? await disk.files.findBlob(digest) : undefined;
        if (!found || (unlessDeleted && isDeleted(state.links, place, digest))) return { value: undefined };
        const links = withLinks(state.links, place, [digest], "pushed");
        return { links, value: blobDescriptor(digest, found.size) };
      });
    },
    async deleteBlob(repository, digest, { signal } = {}) {
      signal?.throwIfAborted();
      const place = { registry, repository };
      await disk.change((state) => deletion(options, state, place, digest));
    },
  };
}

async function deletion(
  { disk, holdings, finder }: BlobWriterOptions,
  state: LayoutState,
  place: PlaceName,
  digest: Digest,
): Promise<Change<undefined>> {
  if (!(await finder.find(state, place, digest))) throw unknownBlob(disk.files.name, place, digest);
  const manifest = (await holdings.of(state.index, place)).blobs.get(digest);
  if (manifest) {
    throw new RegistryError(
      "UNSUPPORTED",
      `blob ${digest} is needed by manifest ${manifest} of ${place.repository}: delete that manifest first`,
      { detail: { manifest } },
    );
  }
  const links = withLinks(state.links, place, [digest], "deleted");
  const isGarbage = await holdings.isGarbage({ index: state.index, links }, digest);
  return { links, garbage: isGarbage ? [digest] : [], value: undefined };
}

/** The links of a place that its manifests make needless, left out. */
export function withoutNamedLinks(
  links: Links,
  place: PlaceName,
  named: ReadonlyMap<Digest, unknown>,
): Links {
  const needless = [...named.keys()].filter((digest) => isLinked(links, place, digest));
  return withoutLinks(links, place, needless);
}
