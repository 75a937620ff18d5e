import type { Digest } from "../../../oci/digests.ts";
import { RegistryError } from "../../../oci/errors.ts";
import type { ManifestRow } from "../manifest-row.ts";
import type { ManifestRecord, Metadata } from "../metadata.ts";
import type { SqliteDatabase } from "./database.ts";
import type { ManifestRows } from "./manifest-rows.ts";
import type { RepositoryRows } from "./repositories.ts";
import type { TagChanger } from "./tags/changer.ts";
import type { TagRows } from "./tags/rows.ts";

type ManifestMetadata = Pick<Metadata, "getManifest" | "putManifest" | "deleteManifest">;

export function createManifestMetadata(
  { prepare, write }: SqliteDatabase,
  repositories: RepositoryRows,
  manifests: ManifestRows,
  tags: TagChanger,
): ManifestMetadata {
  const get = prepare<{ digest: Digest; media_type: string; bytes: Uint8Array }, [string, string]>(
    `SELECT digest, media_type, bytes FROM manifests
     WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND digest = ?2`,
  );
  return {
    getManifest(repository, digest): ManifestRow | undefined {
      const row = get.get(repository, digest);
      return row ? { digest: row.digest, mediaType: row.media_type, bytes: row.bytes } : undefined;
    },
    putManifest: (record) =>
      write(() => {
        const { repository, digest, actor } = record;
        const now = tags.changes.now();
        const repositoryId = repositories.ensure(repository);
        if (record.onlyNewTags) refuseMoves(tags.rows, repositoryId, record);
        const isNew = manifests.put(repositoryId, repository, record, now);
        const changes = record.tags.map((tag) => ({ tag, to: digest }));
        const event = { kind: "push", scope: "tags", changes } as const;
        return tags.run({ repositoryId, repository, event, actor, now, ...(isNew && { manifest: digest }) });
      }),
    deleteManifest: (repository, digest, { actor, kind = "delete" }) =>
      write(() => {
        const repositoryId = repositories.require(repository);
        manifests.requireRemovable(repositoryId, repository, digest);
        const now = tags.changes.now();
        const changes = tags.rows.pointingAt(repositoryId, digest).map((tag) => ({ tag, to: undefined }));
        if (kind === "retention" && changes.length > 0) {
          throw new RegistryError("TAG_PROTECTED", `${repository}@${digest} has got a tag: it is kept`);
        }
        const event = { kind, scope: "manifest", changes } as const;
        const outcome = tags.run({ repositoryId, repository, event, actor, now, manifest: digest });
        manifests.remove(repositoryId, digest, now, outcome.change ?? 0);
        return outcome;
      }),
  };
}

function refuseMoves(
  rows: TagRows,
  repositoryId: number,
  { repository, tags, digest }: ManifestRecord,
): void {
  for (const tag of tags) {
    const row = rows.find(repositoryId, tag);
    if (!row || row.digest === digest) continue;
    throw new RegistryError("DENIED", `${repository} has a tag ${tag} already, which may not be moved`);
  }
}
