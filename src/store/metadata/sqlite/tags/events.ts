import type { Digest } from "../../../../oci/digests.ts";
import { RegistryError } from "../../../../oci/errors.ts";
import type { Tag } from "../../../../oci/names.ts";
import type { TagChange, TagEvent } from "../../tag-policy.ts";
import type { TagRequest } from "../../tags.ts";
import type { ManifestRows } from "../manifest-rows.ts";
import type { EventPlace, PreparedEvent, TagChanger } from "./changer.ts";
import { createRollbacks } from "./rollbacks.ts";
import type { TagRow } from "./rows.ts";
import { createUndeletes } from "./undeletes.ts";

/** Makes requests into events, inside the transaction that carries them out. @throws RegistryError */
export type EventMaker = (place: EventPlace, request: TagRequest) => PreparedEvent;

/** @returns what makes events of requests */
export function createEventMaker(manifests: ManifestRows, changer: TagChanger): EventMaker {
  const { rows } = changer;
  const requireRow = ({ repositoryId, repository }: EventPlace, tag: Tag): TagRow => {
    const row = rows.find(repositoryId, tag);
    if (row) return row;
    const hint = rows.last(repositoryId, tag) ? ": it was removed, and undelete brings it back" : "";
    throw new RegistryError("MANIFEST_UNKNOWN", `repository ${repository} has no tag ${tag}${hint}`);
  };
  const { rollback, rollbackRelease } = createRollbacks(manifests, changer, requireRow);
  const { undelete, undeleteManifest } = createUndeletes(manifests, changer);
  return (place, request) => {
    const { repositoryId, repository } = place;
    switch (request.kind) {
      case "push":
        return { event: eventOf("push", toAll(request.tags, request.digest)) };
      case "move":
        if (!manifests.has(repositoryId, request.to)) {
          throw new RegistryError(
            "MANIFEST_UNKNOWN",
            `repository ${repository} has no manifest ${request.to}`,
          );
        }
        return { event: eventOf("move", [{ tag: request.tag, to: request.to }]) };
      case "delete":
        for (const tag of request.tags) requireRow(place, tag);
        return { event: eventOf("delete", toAll(request.tags, undefined)) };
      case "rollback":
        return rollback(place, request.tag);
      case "rollback-release":
        return rollbackRelease(place, request.tag);
      case "undelete":
        return undelete(place, request.tag);
      case "undelete-manifest":
        return undeleteManifest(place, request.digest);
      case "retention": {
        const still = request.tags.filter(({ tag, at }) => rows.find(repositoryId, tag)?.digest === at);
        const names = still.map(({ tag }) => tag);
        return { event: eventOf("retention", toAll(names, undefined)) };
      }
    }
  };
}

/** An event about single tags. */
export function eventOf(kind: TagEvent["kind"], changes: readonly TagChange[]): TagEvent {
  return { kind, scope: "tags", changes };
}

function toAll(tags: readonly Tag[], to: Digest | undefined): TagChange[] {
  return [...new Set(tags)].map((tag) => ({ tag, to }));
}
