import { randomUUID } from "node:crypto";
import type { GatheredBlob } from "../../layout/archive/gather.ts";
import type { ArchiveContents } from "../../layout/archive/write.ts";
import { annotationsOfName } from "../../layout/names.ts";
import type { Digest } from "../../oci/digests.ts";
import { mediaTypes } from "../../oci/media-types.ts";
import type { Tag } from "../../oci/names.ts";
import type { RegistryName } from "../../oci/references.ts";
import type { StoredManifest } from "../../registry/registry.ts";
import type { PastChange } from "../../store/metadata/tags.ts";
import type { Collected } from "./collected.ts";
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
  readonly base: ExportDocument | undefined;
  /** Which tags were asked for; all, if empty. */
  readonly tagPatterns: readonly string[];
}

/**
 * Decides what stands in an archive: all of the repositories, or what the archive before lacks. A manifest is in it once
 * for each repository's entry, a blob once.
 */
export function planExport({ registry, repositories, base, tagPatterns }: ExportInput): ExportPlan {
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
    ...{ registry, tagPatterns },
    repositories: [
      ...repositories.map((each) => exported(each, known.get(each.repository))),
      ...[...known.values()]
        .filter(({ repository }) => repositories.every((each) => each.repository !== repository))
        .map(unchanged),
    ],
  };
  const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: entries };
  const files = new Map([[documentName, formatExport(document)]]);
  // What docker is told of has to be in the archive whole.
  return { contents: { index, manifests, blobs, runnable: base ? [] : runnable, files }, document };
}

/** A repository that is not looked at this time. */
function unchanged(before: ExportedRepository): ExportedRepository {
  return { ...before, removedTags: [], removedManifests: [], history: [] };
}

function exported(
  { repository, tags, leftOut, gathered, history, gone }: Collected,
  before: ExportedRepository | undefined,
): ExportedRepository {
  const manifests = new Set([...(before?.manifests ?? []), ...gathered.manifests.keys()]);
  const lastChange = history?.lastChange ?? before?.lastChange ?? 0;
  return {
    repository,
    tags,
    removedTags: [...(before?.tags.keys() ?? [])].filter((tag) => !tags.has(tag) && !leftOut.has(tag)),
    removedManifests: gone,
    ...(history ? { history: history.changes.map((change) => withoutMovesOf(change, leftOut)) } : {}),
    // What happened to tags that are left out comes with the archive that has them.
    lastChange: leftOut.size > 0 ? (before?.lastChange ?? 0) : lastChange,
    manifests: [...manifests].filter((digest) => !gone.includes(digest)),
    // All that the manifests of before need that are still there is gathered too. What only removed ones needed, the
    // place of import may have collected.
    blobs: [...gathered.blobs.keys()],
  };
}

function withoutMovesOf(change: PastChange, tags: ReadonlySet<Tag>): PastChange {
  return { ...change, moves: change.moves.filter(({ tag }) => !tags.has(tag)) };
}
