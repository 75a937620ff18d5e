import { RegistryError } from "../../../../oci/errors.ts";
import type { RepositoryName } from "../../../../oci/names.ts";
import type { TagPlanLine, VersionOrder } from "../../tag-policy.ts";
import type { PastChange, ReplayOutcome, TagMetadata } from "../../tags.ts";
import type { SqliteDatabase } from "../database.ts";
import type { ManifestRows } from "../manifest-rows.ts";
import type { RepositoryRows } from "../repositories.ts";
import type { TagChanger } from "./changer.ts";
import type { TagRow } from "./rows.ts";

/** What a move of a tag is made in. */
interface Place {
  readonly repositoryId: number;
  readonly order: VersionOrder | undefined;
}

/** A move that can be made, and the row that it ends. */
interface Possible {
  readonly move: TagPlanLine;
  readonly row: TagRow | undefined;
}

/** Writes what happened to tags elsewhere, as it happened there: rules are not asked. */
export function createReplay(
  { prepare, write }: SqliteDatabase,
  repositories: RepositoryRows,
  manifests: ManifestRows,
  { rows, changes, lines, policyOf }: TagChanger,
): Pick<TagMetadata, "replayChanges"> {
  const between = prepare<KnownRow, [number, number, number]>(
    "SELECT at, actor, kind, manifest, moves FROM changes WHERE repository_id = ? AND at BETWEEN ? AND ?",
  );

  const before = prepare<{ id: number }, [number, string, string]>(
    `SELECT id FROM tags WHERE repository_id = ? AND name = ? AND digest = ?
     ORDER BY opened_at DESC, id DESC LIMIT 1`,
  );
  /** The row that a move brought back, so that a later rollback goes behind it. */
  const restoredBy = (repositoryId: number, { tag, to, cause }: TagPlanLine): number | undefined =>
    to !== undefined && (cause === "rollback" || cause === "undelete")
      ? before.get(repositoryId, tag, to)?.id
      : undefined;

  const knownKeys = (repositoryId: number, past: readonly PastChange[]): ReadonlySet<string> => {
    const times = past.map(({ at }) => at.getTime());
    const found = between.all(repositoryId, Math.min(...times), Math.max(...times));
    return new Set(found.map(keyOfRow));
  };

  /**
   * The row that says where a tag points; of one that points at what is not here, the last one, which was closed in the
   * change that opened it.
   */
  const presentRow = ({ repositoryId }: Place, { tag }: TagPlanLine): TagRow | undefined => {
    const open = rows.find(repositoryId, tag);
    if (open) return open;
    const last = rows.last(repositoryId, tag);
    return last && last.closed_in === last.opened_in ? last : undefined;
  };

  const carryOut = (place: Place, { move, row }: Possible, at: number, change: number): void => {
    const { repositoryId, order } = place;
    const { tag, to, cause } = move;
    const wasOpen = row !== undefined && row.closed_at === null;
    if (row) rows.close(row.id, at, change);
    const isOpen = to !== undefined && manifests.has(repositoryId, to);
    if (to !== undefined) {
      const restores = restoredBy(repositoryId, move);
      rows.open(repositoryId, tag, { digest: to, cause, at, change, restores });
      const opened = rows.find(repositoryId, tag);
      if (!isOpen && opened) rows.close(opened.id, at, change); // a tag never points at what is not here
    }
    if (isOpen && !wasOpen) lines.add(repositoryId, order, tag);
    if (!isOpen && wasOpen) lines.remove(repositoryId, order, tag);
  };

  const replay = (place: Place, past: PastChange, now: number, conflicts: Conflicts): boolean => {
    const possible: Possible[] = [];
    for (const move of past.moves) {
      if (move.action === "keep" || move.action === "refuse") continue;
      const row = presentRow(place, move);
      if (row?.digest === move.to) continue;
      if (row?.digest === move.from) possible.push({ move, row });
      else conflicts.set(move.tag, row ? `it points at ${row.digest} here` : "it is not here");
    }
    if (possible.length === 0) return false;
    const earliest = Math.max(past.at.getTime(), ...possible.map(({ row }) => row?.opened_at ?? 0));
    const at = Math.min(now, earliest);
    const moves = possible.map(({ move }) => move);
    const { actor, kind, manifest } = past;
    const change = changes.add(place.repositoryId, { at, actor, kind, manifest, moves });
    for (const each of possible) carryOut(place, each, at, change);
    return true;
  };

  return {
    replayChanges: (repository, past) =>
      write((): ReplayOutcome => {
        const conflicts: Conflicts = new Map();
        if (past.length === 0) return { applied: 0, conflicts: [] };
        const repositoryId = requireRepository(repositories, repository);
        const order = policyOf(repository).versions;
        lines.bringUpToDate(repositoryId, order);
        const known = knownKeys(repositoryId, past);
        const now = changes.now();
        let applied = 0;
        for (const each of past) {
          if (known.has(keyOf(each))) continue;
          if (replay({ repositoryId, order }, each, now, conflicts)) applied += 1;
        }
        return { applied, conflicts: [...conflicts].map(([tag, reason]) => ({ tag, reason })) };
      }),
  };
}

type Conflicts = Map<TagPlanLine["tag"], string>;

interface KnownRow {
  at: number;
  actor: string;
  kind: string;
  manifest: string | null;
  moves: string;
}

function keyOfRow({ at, actor, kind, manifest, moves }: KnownRow): string {
  return JSON.stringify([at, actor, kind, manifest, moves]);
}

function keyOf({ at, actor, kind, manifest, moves }: PastChange): string {
  return JSON.stringify([at.getTime(), actor, kind, manifest ?? null, JSON.stringify(moves)]);
}

function requireRepository(repositories: RepositoryRows, repository: RepositoryName): number {
  const id = repositories.find(repository);
  if (id !== undefined) return id;
  throw new RegistryError(
    "NAME_UNKNOWN",
    `there is no repository ${repository}: push its manifests before its history`,
  );
}
