import type {
  Change,
  ListedTag,
  Outcome,
  Period,
  PlanLine,
  RetentionLine,
} from "../../management/tag-answers.ts";
import { formatTable } from "../tables.ts";
import { formatAge, formatSize } from "../units.ts";
import { arrangeTags } from "./tree.ts";

/** The first characters of a digest's encoded part, as docker shows images. */
export function shortDigest(digest: string | undefined): string {
  return digest === undefined ? "-" : digest.slice(digest.indexOf(":") + 1).slice(0, 12);
}

/** A plan, or what was done: one line a tag. */
export function formatLines(lines: readonly PlanLine[]): string {
  return formatTable(
    ["TAG", "ACTION", "FROM", "TO", "WHY"],
    lines.map((line) => [line.tag, line.action, shortDigest(line.from), target(line), line.reason]),
  );
}

/** A manifest that is not pushed yet has no digest. */
function target({ action, cause, to }: PlanLine): string {
  const isNew = action === "create" || action === "move" || (action === "refuse" && cause === "push");
  return to === undefined && isNew ? "the new one" : shortDigest(to);
}

/** What was done, or would be; its notes are told elsewhere. */
export function formatOutcome({ lines }: Outcome): string {
  return lines.length === 0 ? "Nothing to change\n" : formatLines(lines);
}

/** Tags as a tree, with which of them are the same image. */
export function formatTagTree(tags: readonly ListedTag[], now: number): string {
  const byName = new Map(tags.map((tag) => [tag.tag, tag]));
  const byDigest = Map.groupBy(tags, ({ digest }) => digest);
  const rows = arrangeTags(tags.map(({ tag }) => tag)).flatMap(({ tag, branches }) => {
    const found = byName.get(tag);
    if (!found) return [];
    const same = (byDigest.get(found.digest) ?? []).filter((other) => other.tag !== tag);
    return [
      [
        branches + tag,
        shortDigest(found.digest),
        formatAge(now - Date.parse(found.since)),
        formatSize(found.size),
        found.platforms.join(", ") || "-",
        same.map((other) => other.tag).join(", ") || "-",
      ],
    ];
  });
  return formatTable(["TAG", "IMAGE", "SINCE", "SIZE", "PLATFORMS", "SAME AS"], rows);
}

/** What happened in a repository, one line a tag, changes apart. */
export function formatChanges(changes: readonly Change[]): string {
  const rows = changes.flatMap(({ id, at, actor, kind, manifest, moves }) =>
    moves.length === 0
      ? [[String(id), at, actor, kind, "-", "-", shortDigest(manifest), "no tag moved"]]
      : moves.map(({ tag, from, to, cause, reason }) => [
          ...[String(id), at, actor, cause, tag, shortDigest(from), shortDigest(to), reason],
        ]),
  );
  return formatTable(["CHANGE", "WHEN", "WHO", "BY", "TAG", "FROM", "TO", "WHY"], rows);
}

/** Where a tag pointed. */
export function formatPeriods(periods: readonly Period[]): string {
  const rows = periods.map(({ digest, from, until, cause, actor, reason, ended }) => [
    from,
    until === undefined ? "now" : until,
    shortDigest(digest),
    actor ?? "-",
    cause,
    [reason, ended && `until ${ended.reason}`].filter(Boolean).join("; ") || "-",
  ]);
  return formatTable(["FROM", "UNTIL", "IMAGE", "WHO", "BY", "WHY"], rows);
}

/** What retention keeps and removes. */
export function formatRetention(lines: readonly RetentionLine[]): string {
  if (lines.length === 0) return "Nothing to remove\n";
  return formatTable(
    ["TAG", "IMAGE", "ACTION", "WHY"],
    lines.map(({ tag, digest, action, reason }) => [tag ?? "(no tag)", shortDigest(digest), action, reason]),
  );
}
