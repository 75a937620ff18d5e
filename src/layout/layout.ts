import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Digest } from "../oci/digests.ts";
import type { Tag } from "../oci/names.ts";
import type { RegistryName } from "../oci/references.ts";
import type { Registry } from "../registry/registry.ts";
import { createBlobFinder } from "./blobs.ts";
import { type Entry, withTag } from "./document.ts";
import { createBlobs } from "./folder/blobs.ts";
import { type Collected, collect } from "./folder/collect.ts";
import { createDisk } from "./folder/disk.ts";
import { layoutPaths } from "./folder/files.ts";
import { createIngest } from "./folder/ingest.ts";
import { createManifests } from "./folder/manifests.ts";
import { createTags } from "./folder/tags.ts";
import { createUploads, type UploadSessions } from "./folder/uploads.ts";
import { createHoldingsReader } from "./holdings.ts";
import { readStored, requireManifest } from "./manifests.ts";
import type { PlaceName } from "./names.ts";
import { createReferrerLister } from "./referrers.ts";
import { createRepositoryLister } from "./repositories.ts";

/** An OCI image layout in a folder. */
export interface Layout {
  readonly folder: string;
  /** The repositories of one registry that are kept in it, as a registry: read and written in place. */
  at(registry: RegistryName): Registry;
  /** All that index.json lists, of every registry, the one that was named last at the end. */
  entries(): Promise<readonly Entry[]>;
  /**
   * Points a tag at a manifest that another place of the layout holds, with all that it names.
   * @throws RegistryError MANIFEST_UNKNOWN; NAME_UNKNOWN
   */
  tag(
    source: PlaceName & { readonly digest: Digest },
    target: PlaceName & { readonly tag: Tag },
  ): Promise<void>;
  /**
   * Takes entries out of index.json and removes the files that nothing needs any more. What is being pushed stays, and
   * so do transfers that broke off less than a week ago.
   */
  remove(isUnwanted: (entry: Entry) => boolean): Promise<Collected>;
  /** Lends the path of a file on the layout's own disk, for what is on its way there, and removes it afterwards. */
  withScratch<T>(act: (path: string) => Promise<T>): Promise<T>;
}

/**
 * Opens a folder as an OCI image layout, read and written in place, by any number of processes at once. A folder that
 * is missing or empty is a layout that holds nothing; it is made by what is put there first. What is wrong with a
 * folder is found by the first operation: MANIFEST_INVALID.
 *
 * Images of many repositories and registries live side by side: the annotations of an entry in index.json say its whole
 * reference, as containerd and docker write them. An entry that has a tag alone, as skopeo writes it, is in the
 * repository `plainPlace`.
 *
 * `.berth` in the folder has what other programs need not know: blobs that no manifest names yet, and transfers that
 * broke off. It is there only while it is needed.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
 */
export function openLayout(folder: string): Layout {
  const disk = createDisk(layoutPaths(resolve(folder)));
  const holdings = createHoldingsReader(disk.files);
  const finder = createBlobFinder(disk, holdings);
  const ingest = createIngest(disk.paths.ingest);
  const options = { disk, ingest, holdings, finder };
  const sessions: UploadSessions = { busy: new Set(), progress: new Map() };
  return {
    folder: disk.paths.folder,
    entries: async () => (await disk.current()).index.entries,
    withScratch: async (act) => {
      await disk.current(); // before anything is written: whether this is a layout at all
      const path = join(disk.paths.ingest, `${randomUUID()}.scratch`);
      await mkdir(disk.paths.ingest, { recursive: true });
      try {
        return await act(path);
      } finally {
        await ingest.discard(path);
      }
    },
    remove: (isUnwanted) => collect(disk, holdings, isUnwanted),
    tag: ({ digest, ...source }, { registry, repository, tag }) =>
      disk.change(async (state) => {
        const held = await requireManifest(state, holdings, disk.files.name, source, digest);
        await readStored(disk.files, held.descriptor);
        const target = { registry, repository, tag };
        return { index: withTag(state.index, held.descriptor, target), value: undefined };
      }),
    at: (registry) => ({
      ...createBlobs(registry, options),
      ...createUploads(registry, options, sessions),
      ...createManifests(registry, options),
      ...createTags(registry, disk),
      ...createReferrerLister(registry, disk, holdings),
      ...createRepositoryLister(registry, disk),
    }),
  };
}
