import { randomUUID } from "node:crypto";
import type { GatheredBlob } from "../../layout/archive/gather.ts";
import type { ArchiveContents } from "../../layout/archive/write.ts";
import { annotationsOfName } from "../../layout/names.ts";
import type { Digest } from "../../oci/digests.ts";
import { mediaTypes } from "../../oci/media-types.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";
import type { RegistryName } from "../../oci/references.ts";
import type { StoredManifest } from "../../registry/registry.ts";
import type { Collected } from "./collect.ts";
import { documentName, type ExportDocument, type ExportedRepository, formatExport } from "./document.ts";

/** An archive that is to be written. */
export interface ExportPlan {
  readonly contents: ArchiveContents;
  readonly document: ExportDocument;
}

/** What was found of the repositories that an archive is made of. */
export interface ExportInput {
  readonly registry: RegistryName;
  readonly repositories: readonly Collected[];
  /** Manifests of the archive before that are gone, by repository; with those that are gone altogether. */
  readonly gone: ReadonlyMap<RepositoryName, readonly Digest[]>;
  readonly base: ExportDocument | undefined;
}

/**
 * Decides what stands in an archive: all of the repositories, or what the archive before lacks. A manifest is in it once
 * for each repository's entry, a blob once.
 */
export function planExport({ registry, repositories, gone, base }: ExportInput): ExportPlan {
  const known = new Map(base?.repositories.map((each) => [each.repository, each]));
  const knownBlobs = new Set(base?.repositories.flatMap(({ blobs }) => blobs));
  const entries: unknown[] = [];
  const manifests = new Map<Digest, StoredManifest>();
  const blobs = new Map<Digest, GatheredBlob>();
  const runnable = repositories.flatMap(({ gathered }) => gathered.runnable);
  for (const { repository, tags, gathered } of repositories) {
    const had = new Set(known.get(repository)?.manifests);
    for (const [digest, stored] of gathered.manifests) {
      if (had.has(digest)) continue;
      manifests.set(digest, stored);
      const names = [...tags].filter(([, at]) => at === digest).map(([tag]) => tag);
      for (const tag of names.length > 0 ? names : [undefined]) {
        const name = { registry, repository, ...(tag ? { tag } : {}) };
        entries.push({ ...stored.descriptor, annotations: annotationsOfName(name, digest) });
      }
    }
    for (const [digest, blob] of gathered.blobs) if (!knownBlobs.has(digest)) blobs.set(digest, blob);
  }
  const document: ExportDocument = {
    id: randomUUID(),
    ...(base ? { since: base.id } : {}),
    at: new Date(),
    registry,
    repositories: [
      ...repositories.map((each) => exported(each, known.get(each.repository), gone.get(each.repository))),
      ...[...known.values()]
        .filter(({ repository }) => isGone(repository, repositories))
        .map((before) => withoutTags(before, gone.get(before.repository))),
    ],
  };
  const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: entries };
  const files = new Map([[documentName, formatExport(document)]]);
  // What docker is told of has to be in the archive whole.
  return { contents: { index, manifests, blobs, runnable: base ? [] : runnable, files }, document };
}

function isGone(repository: RepositoryName, now: readonly Collected[]): boolean {
  return now.every((each) => each.repository !== repository);
}

/** A repository that is not looked at this time, or is gone. */
function withoutTags(before: ExportedRepository, gone: readonly Digest[] = []): ExportedRepository {
  return {
    ...before,
    tags: new Map<Tag, Digest>(),
    removedTags: [...before.tags.keys()],
    removedManifests: gone,
    history: [],
    manifests: before.manifests.filter((digest) => !gone.includes(digest)),
    // Which blobs the manifests that are left need is not known here: a blob too many does less harm than one too few.
    blobs: gone.length > 0 ? [] : before.blobs,
  };
}

function exported(
  { repository, tags, gathered, history }: Collected,
  before: ExportedRepository | undefined,
  gone: readonly Digest[] = [],
): ExportedRepository {
  const manifests = new Set([...(before?.manifests ?? []), ...gathered.manifests.keys()]);
  return {
    repository,
    tags,
    removedTags: [...(before?.tags.keys() ?? [])].filter((tag) => !tags.has(tag)),
    removedManifests: gone,
    ...(history ? { history: history.changes } : {}),
    lastChange: history?.lastChange ?? before?.lastChange ?? 0,
    manifests: [...manifests].filter((digest) => !gone.includes(digest)),
    // All that the manifests of before need that are still there is gathered too. What only removed ones needed, the
    // place of import may have collected.
    blobs: [...gathered.blobs.keys()],
  };
}
