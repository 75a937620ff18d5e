import type { Digest } from "../../../../oci/digests.ts";
import type { TagMetadata } from "../../tags.ts";
import type { SqliteDatabase } from "../database.ts";
import { type RepositoryRows, toKeyedPage } from "../repositories.ts";

/** Deleted manifests that can be brought back. */
export function createDeletedList(
  { prepare }: SqliteDatabase,
  repositories: RepositoryRows,
): Pick<TagMetadata, "listDeletedManifests"> {
  const list = prepare<
    { digest: Digest; removed_at: number; actor: string | null },
    [number, string, number]
  >(
    `SELECT m.digest, m.removed_at, c.actor FROM removed_manifests m LEFT JOIN changes c ON c.id = m.removed_in
     WHERE m.repository_id = ? AND m.digest > ? ORDER BY m.digest LIMIT ?`,
  );
  return {
    listDeletedManifests(repository, { after = "", limit }) {
      const rows = list.all(repositories.require(repository), after, limit + 1);
      return toKeyedPage(
        rows,
        limit,
        ({ digest }) => digest,
        ({ digest, removed_at, actor }) => ({ digest, at: new Date(removed_at), actor: actor ?? "" }),
      );
    },
  };
}
