import type { Digest } from "../../../../oci/digests.ts";
import { RegistryError } from "../../../../oci/errors.ts";
import type { RepositoryName, Tag } from "../../../../oci/names.ts";
import type {
  StoredRules,
  TagEvent,
  TagPlan,
  TagPlanLine,
  TagPolicies,
  TagPolicy,
} from "../../tag-policy.ts";
import type { TagOutcome } from "../../tags.ts";
import type { SqliteDatabase } from "../database.ts";
import { type ChangeRows, createChangeRows } from "./changes.ts";
import { type Facts, readFacts } from "./facts.ts";
import { createTagRows, type TagRow, type TagRows } from "./rows.ts";
import { createVersionLines, type VersionLines } from "./version-lines.ts";

/** An event on its way, inside a transaction. */
export interface TagWork {
  readonly repositoryId: number;
  readonly repository: RepositoryName;
  readonly event: TagEvent;
  readonly actor: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** The manifest that was pushed, deleted or brought back in this transaction. */
  readonly manifest?: Digest;
  readonly dryRun?: boolean;
  /** Earlier rows that may be brought back, by tag. */
  readonly restores?: ReadonlyMap<Tag, TagRow>;
  /** Further lines for the outcome: what was not even tried, and why. */
  readonly skipped?: readonly TagPlanLine[];
}

/** A request made into an event. */
export type PreparedEvent = Pick<TagWork, "event" | "restores" | "skipped" | "manifest">;

/** Where a request is made into an event. */
export interface EventPlace {
  readonly repositoryId: number;
  readonly repository: RepositoryName;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly dryRun: boolean;
}

/** Plans and makes changes of tags. Methods run inside a transaction of the caller. */
export interface TagChanger {
  readonly rows: TagRows;
  readonly changes: ChangeRows;
  readonly lines: VersionLines;
  policyOf(repository: RepositoryName): TagPolicy;
  /** @throws RegistryError TAG_PROTECTED when the plan refuses, unless it is a dry run */
  run(work: TagWork): TagOutcome;
}

export function createTagChanger(
  database: SqliteDatabase,
  policies: TagPolicies,
  storedRules: () => StoredRules,
): TagChanger {
  const rows = createTagRows(database);
  const changes = createChangeRows(database);
  const lines = createVersionLines(database, rows);
  const policyOf = (repository: RepositoryName): TagPolicy => policies(repository, storedRules());

  return {
    ...{ rows, changes, lines, policyOf },
    run(work) {
      const { repositoryId, repository, event, manifest, dryRun = false, skipped = [] } = work;
      const policy = policyOf(repository);
      lines.bringUpToDate(repositoryId, policy.versions);
      const facts = readFacts({ rows, lines }, work, policy);
      const plan = policy.plan(event, facts);
      const planned = new Set(plan.lines.map(({ tag }) => tag));
      const all = {
        lines: [...plan.lines, ...skipped.filter(({ tag }) => !planned.has(tag))],
        notes: plan.notes,
      };
      if (dryRun) return all;
      refuseIfPlanned(repository, plan);
      const moves = plan.lines.filter(({ action }) => action !== "keep");
      if (moves.length === 0 && manifest === undefined) return all;
      return { ...all, change: carryOut({ rows, changes, lines }, { work, policy, facts, moves }) };
    },
  };
}

/** What a plan is carried out on. */
type Rows = Pick<TagChanger, "rows" | "changes" | "lines">;

interface Carried {
  readonly work: TagWork;
  readonly policy: TagPolicy;
  readonly facts: Facts;
  readonly moves: readonly TagPlanLine[];
}

/** @returns the change that was made */
function carryOut({ rows, changes, lines }: Rows, { work, policy, facts, moves }: Carried): number {
  const { repositoryId, actor, now, manifest, event, restores } = work;
  const change = changes.add(repositoryId, { at: now, actor, kind: event.kind, manifest, moves });
  for (const { tag, from, to, cause } of moves) {
    const row = facts.tags.get(tag);
    if (row) rows.close(row.id, now, change);
    if (to !== undefined) {
      const earlier = restores?.get(tag);
      const restored = earlier?.digest === to ? earlier.id : undefined;
      rows.open(repositoryId, tag, { digest: to, cause, at: now, change, restores: restored });
    }
    if (from === undefined) lines.add(repositoryId, policy.versions, tag);
    else if (to === undefined) lines.remove(repositoryId, policy.versions, tag);
  }
  return change;
}

function refuseIfPlanned(repository: RepositoryName, plan: TagPlan): void {
  const refused = plan.lines.filter(({ action }) => action === "refuse");
  if (refused.length === 0) return;
  const reasons = refused.map(({ tag, reason }) => `${repository}:${tag} ${reason}`).join("; ");
  throw new RegistryError("TAG_PROTECTED", reasons, { detail: { refused } });
}
