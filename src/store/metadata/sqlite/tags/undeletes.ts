import type { Digest } from "../../../../oci/digests.ts";
import { RegistryError } from "../../../../oci/errors.ts";
import type { Tag } from "../../../../oci/names.ts";
import type { ManifestRows } from "../manifest-rows.ts";
import type { EventPlace, PreparedEvent, TagChanger } from "./changer.ts";

/** Events that bring back what was removed. A dry run brings no manifest back. */
export function createUndeletes(manifests: ManifestRows, { rows, changes }: TagChanger) {
  return {
    undelete({ repositoryId, repository, now, dryRun }: EventPlace, tag: Tag): PreparedEvent {
      const last = rows.last(repositoryId, tag);
      if (!last)
        throw new RegistryError("MANIFEST_UNKNOWN", `repository ${repository} never had a tag ${tag}`);
      if (last.closed_at === null) {
        throw new RegistryError("REQUEST_INVALID", `${repository}:${tag} is there: nothing to bring back`);
      }
      const event = { kind: "undelete", scope: "tags", changes: [{ tag, to: last.digest }] } as const;
      const restores = new Map([[tag, last]]);
      if (manifests.has(repositoryId, last.digest)) return { event, restores };
      if (!dryRun) manifests.restore(repositoryId, repository, last.digest, now);
      return { event, restores, manifest: last.digest };
    },

    undeleteManifest({ repositoryId, repository, now, dryRun }: EventPlace, digest: Digest): PreparedEvent {
      if (manifests.has(repositoryId, digest)) {
        throw new RegistryError("REQUEST_INVALID", `${repository}@${digest} is there: nothing to bring back`);
      }
      const removed = manifests.findRemoved(repositoryId, digest);
      if (!removed) {
        throw new RegistryError("MANIFEST_UNKNOWN", `nothing is kept of ${repository}@${digest}`);
      }
      const moves = changes.find(removed.removed_in)?.moves ?? [];
      if (!dryRun) manifests.restore(repositoryId, repository, digest, now);
      const gone = moves.filter(({ tag, action }) => action === "remove" && !rows.find(repositoryId, tag));
      const wanted = gone.map(({ tag }) => ({ tag, to: digest }));
      return { event: { kind: "undelete", scope: "tags", changes: wanted }, manifest: digest };
    },
  };
}
