import { RegistryError } from "../../../../oci/errors.ts";
import type { Tag } from "../../../../oci/names.ts";
import { planLine, type TagChange, type TagPlanLine } from "../../tag-policy.ts";
import type { Change } from "../../tags.ts";
import type { ManifestRows } from "../manifest-rows.ts";
import type { EventPlace, PreparedEvent, TagChanger } from "./changer.ts";
import type { TagRow } from "./rows.ts";

/** How many changes are looked through for the last release. */
const maxSearched = 2000;
const searchPage = 100;

/** Events that take back what was done. */
export function createRollbacks(
  manifests: ManifestRows,
  changer: TagChanger,
  requireRow: (place: EventPlace, tag: Tag) => TagRow,
) {
  const { rows, changes } = changer;

  const rollback = (place: EventPlace, tag: Tag): PreparedEvent => {
    const { repositoryId, repository } = place;
    const earlier = rows.predecessor(repositoryId, tag, requireRow(place, tag));
    if (!earlier) {
      throw new RegistryError(
        "REQUEST_INVALID",
        `${repository}:${tag} cannot be rolled back: it pointed nowhere before; take back the release that made it, or delete the tag`,
      );
    }
    if (!manifests.has(repositoryId, earlier.digest)) {
      throw new RegistryError(
        "MANIFEST_UNKNOWN",
        `${repository}:${tag} cannot go back to ${earlier.digest}, which was deleted: undelete that manifest first`,
      );
    }
    const event = { kind: "rollback", scope: "tags", changes: [{ tag, to: earlier.digest }] } as const;
    return { event, restores: new Map([[tag, earlier]]) };
  };

  /** The change that made a tag what it is. */
  const releaseOf = (place: EventPlace, tag: Tag): Change => {
    const change = changes.find(requireRow(place, tag).opened_in);
    if (change) return change;
    const name = `${place.repository}:${tag}`;
    throw new RegistryError("REQUEST_INVALID", `nothing is known of the push that moved ${name}`);
  };

  const rollbackRelease = (place: EventPlace, tag: Tag | undefined): PreparedEvent => {
    const { repositoryId, repository } = place;
    const release = tag === undefined ? findLastRelease(changer, place) : releaseOf(place, tag);
    const wanted: TagChange[] = [];
    const restores = new Map<Tag, TagRow>();
    const skipped: TagPlanLine[] = [];
    for (const move of release.moves) {
      const row = rows.find(repositoryId, move.tag);
      if (row?.opened_in !== release.id) {
        skipped.push(planLine(move.tag, row?.digest, row?.digest, row?.cause ?? "rollback", "changed since"));
        continue;
      }
      const earlier = rows.predecessor(repositoryId, move.tag, row);
      const isThere = earlier !== undefined && manifests.has(repositoryId, earlier.digest);
      if (isThere) restores.set(move.tag, earlier);
      wanted.push({
        tag: move.tag,
        ...(isThere ? { to: earlier.digest, was: earlier.cause } : { to: undefined }),
      });
    }
    if (wanted.length > 0)
      return { event: { kind: "rollback", scope: "release", changes: wanted }, restores, skipped };
    throw new RegistryError(
      "REQUEST_INVALID",
      `nothing of that release of ${repository} can be taken back: its tags changed since`,
    );
  };

  return { rollback, rollbackRelease };
}

/** The last push that moved tags and of which something still stands; of a version, if the rule knows versions. */
function findLastRelease(
  { rows, changes, policyOf }: TagChanger,
  { repositoryId, repository }: EventPlace,
): Change {
  const { versions } = policyOf(repository);
  // What was brought back is there again as if it were pushed, and can be taken back again.
  const isPush = ({ kind, moves }: Change) => (kind === "push" || kind === "undelete") && moves.length > 0;
  const hasVersion = ({ moves }: Change) => moves.some((move) => versions?.place(move.tag) !== undefined);
  const stands = ({ id, moves }: Change) =>
    moves.some((move) => rows.find(repositoryId, move.tag)?.opened_in === id);
  let other: Change | undefined;
  let before = Number.MAX_SAFE_INTEGER;
  for (let searched = 0; searched < maxSearched; searched += searchPage) {
    const page = changes.backwards(repositoryId, before, searchPage);
    const pushes = page.filter((change) => isPush(change) && stands(change));
    const release = pushes.find((change) => !versions || hasVersion(change));
    if (release) return release;
    other ??= pushes[0];
    const last = page[page.length - 1];
    if (!last) break;
    before = last.id;
  }
  if (other) return other;
  throw new RegistryError("REQUEST_INVALID", `${repository} has no release that could be taken back`);
}
