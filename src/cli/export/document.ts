import { z } from "zod";
import { type Digest, parseDigest } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from "../../oci/names.ts";
import { parseRegistryName, type RegistryName } from "../../oci/references.ts";
import { tagEventKinds } from "../../store/metadata/tag-policy.ts";
import type { PastChange } from "../../store/metadata/tags.ts";

/**
 * What an exported archive says beside the image layout that it is: where tags pointed and point, what went since the
 * archive that it builds on, and what whoever imports it has then. Other programs pass over the file.
 */
export interface ExportDocument {
  /** Of this archive. */
  readonly id: string;
  /** The archive that has to be imported before; absent when this one is whole. */
  readonly since?: string;
  readonly at: Date;
  /** Where it was exported from; the names in index.json begin with it. */
  readonly registry: RegistryName;
  /** Which tags were asked for; all, if empty. Absent in archives of an older Berth. */
  readonly tagPatterns?: readonly string[];
  readonly repositories: readonly ExportedRepository[];
}

export interface ExportedRepository {
  readonly repository: RepositoryName;
  /** All of them, also those that point at what an earlier archive brought. */
  readonly tags: ReadonlyMap<Tag, Digest>;
  /** Tags and manifests that the archive before had and that are gone. */
  readonly removedTags: readonly Tag[];
  readonly removedManifests: readonly Digest[];
  /** What happened to tags since the archive before, the oldest first; absent where the registry keeps no history. */
  readonly history?: readonly PastChange[];
  /** The last change that this archive or one before has. */
  readonly lastChange: number;
  /** What this archive and those before brought. */
  readonly manifests: readonly Digest[];
  readonly blobs: readonly Digest[];
}

/** Where it is in an archive. */
export const documentName = ".berth/export.json";

const digest = z.string().transform((text) => parseDigest(text));
const tag = z.string().transform((text) => parseTag(text));

const move = z.object({
  tag,
  action: z.enum(["create", "move", "remove", "keep", "refuse"]),
  from: digest.optional(),
  to: digest.optional(),
  cause: z.enum([...tagEventKinds, "rule"]),
  reason: z.string(),
});

/** A change as it stands in an archive and in the answers of a Berth. */
export const changeSchema = z.object({
  at: z.iso.datetime().transform((text) => new Date(text)),
  actor: z.string(),
  kind: z.enum(tagEventKinds),
  manifest: digest.optional(),
  moves: z.array(move),
});

const schema = z.object({
  version: z.literal(1),
  id: z.string(),
  since: z.string().optional(),
  at: z.iso.datetime().transform((text) => new Date(text)),
  registry: z.string().transform((text) => parseRegistryName(text)),
  tagPatterns: z.array(z.string()).optional(),
  repositories: z.array(
    z.object({
      repository: z.string().transform((text) => parseRepositoryName(text)),
      tags: z.record(z.string(), digest),
      removedTags: z.array(tag),
      removedManifests: z.array(digest),
      history: z.array(changeSchema).optional(),
      lastChange: z.number(),
      manifests: z.array(digest),
      blobs: z.array(digest),
    }),
  ),
});

/** The bytes of the document. */
export function formatExport(document: ExportDocument): Uint8Array {
  const repositories = document.repositories.map(({ tags, ...rest }) => ({
    ...rest,
    tags: Object.fromEntries(tags),
  }));
  return new TextEncoder().encode(JSON.stringify({ version: 1, ...document, repositories }));
}

/** @throws RegistryError MANIFEST_INVALID when it is damaged, or a newer Berth's */
export function parseExport(bytes: Uint8Array, archive: string): ExportDocument {
  try {
    const {
      version: _version,
      since,
      tagPatterns,
      repositories,
      ...rest
    } = schema.parse(JSON.parse(new TextDecoder().decode(bytes)));
    return {
      ...rest,
      ...(since === undefined ? {} : { since }),
      ...(tagPatterns === undefined ? {} : { tagPatterns }),
      repositories: repositories.map(({ tags, history, ...of }) => ({
        ...of,
        tags: new Map(Object.entries(tags).map(([name, at]) => [parseTag(name), at])),
        ...(history === undefined ? {} : { history: history.map(toPast) }),
      })),
    };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RegistryError(
      "MANIFEST_INVALID",
      `${documentName} of ${archive} is damaged, or of a newer Berth: ${why}`,
      { cause },
    );
  }
}

/** A change without fields that are `undefined`. */
export function toPast({ at, actor, kind, manifest, moves }: z.output<typeof changeSchema>): PastChange {
  return {
    ...{ at, actor, kind },
    ...(manifest === undefined ? {} : { manifest }),
    moves: moves.map(({ tag: name, action, from, to, cause, reason }) => ({
      ...{ tag: name, action, cause, reason },
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
    })),
  };
}
