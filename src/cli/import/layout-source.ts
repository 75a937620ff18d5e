import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type LayoutArchive,
  type LayoutEntry,
  openArchive,
  openLayout,
  plainPlace,
  unpackArchive,
} from "../../layout/index.ts";
import { placeKey } from "../../layout/names.ts";
import type { Digest } from "../../oci/digests.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";
import type { RegistryName } from "../../oci/references.ts";
import type { Registry } from "../../registry/registry.ts";
import { documentName, parseExport } from "../export/document.ts";
import { openInPlace } from "../images/open-in-place.ts";
import { platformsAtHand } from "../images/platforms-at-hand.ts";
import { exportSource } from "./export-source.ts";
import type { ImportSource, SourceRepository, SourceTag } from "./source.ts";

/** What an image layout and an archive have in common. */
interface Contents {
  at(registry: RegistryName): Registry;
  entries(): readonly LayoutEntry[] | Promise<readonly LayoutEntry[]>;
}

/** An OCI image layout in a folder as a source. */
export function layoutSource(path: string): ImportSource {
  return sourceOf(path, openLayout(path), async () => {});
}

/**
 * An archive of images as a source: what `docker save`, podman, skopeo and Berth write, also compressed, for which it is
 * unpacked into a temporary file.
 * @throws what opening the archive throws
 */
export async function archiveSource(path: string, signal: AbortSignal): Promise<ImportSource> {
  const inPlace = await openInPlace(path);
  if (inPlace) return archiveSourceOf(path, inPlace, async () => {});
  const unpacked = join(tmpdir(), `berth-import-${randomUUID()}.tar`);
  const remove = () => rm(unpacked, { force: true });
  try {
    await unpackArchive(unpacked, createReadStream(path), { signal, name: path });
    return await archiveSourceOf(path, await openArchive(unpacked, path), remove);
  } catch (error) {
    await remove();
    throw error;
  }
}

async function archiveSourceOf(
  name: string,
  archive: LayoutArchive,
  close: () => Promise<void>,
): Promise<ImportSource> {
  const document = await archive.readFile(documentName);
  return document
    ? exportSource(name, archive, parseExport(document, name), close)
    : sourceOf(name, archive, close);
}

function sourceOf(name: string, contents: Contents, close: () => Promise<void>): ImportSource {
  return {
    name,
    listsManifests: false,
    listsRepositories: true,
    async *repositories(wanted) {
      const byPlace = new Map<string, LayoutEntry[]>();
      for (const entry of await contents.entries()) {
        if (!wanted.repository(entry.repository) && !isNameless(entry)) continue;
        byPlace.set(placeKey(entry), [...(byPlace.get(placeKey(entry)) ?? []), entry]);
      }
      for (const entries of byPlace.values()) {
        const [first] = entries;
        if (first) yield repositoryOf(contents, first, entries);
      }
    },
    close,
  };
}

/** Whether an image has a tag at most, as skopeo and umoci write it. */
function isNameless(entry: LayoutEntry): boolean {
  return placeKey(entry) === placeKey(plainPlace);
}

function repositoryOf(
  contents: Contents,
  first: LayoutEntry,
  entries: readonly LayoutEntry[],
): SourceRepository {
  const { repository } = first;
  const registry = contents.at(first.registry);
  const tags = new Map<Tag, SourceTag>();
  const manifests: Digest[] = [];
  for (const { tag, descriptor } of entries) {
    if (tag) tags.set(tag, { digest: descriptor.digest });
    else manifests.push(descriptor.digest);
  }
  const name: RepositoryName | undefined = isNameless(first) ? undefined : repository;
  return {
    ...{ registry, repository },
    ...(name === undefined ? {} : { name }),
    contents: async () => ({ tags, manifests }),
    platformsOf: (digest) => platformsAtHand({ registry, repository }, digest),
  };
}
