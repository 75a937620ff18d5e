import type { PlanAnswer, RunAnswer, StatusAnswer, WhyAnswer } from "../management/collection-answers.ts";
import { formatTable } from "./tables.ts";
import { counted, formatAge, formatSize } from "./units.ts";

/** How many blobs of a plan are listed. */
const mostListed = 20;

/** `2 blobs, 41234 bytes (41.2kB)`. */
export function formatFreed({ blobs, bytes }: { readonly blobs: number; readonly bytes: number }): string {
  const size = bytes < 1000 ? "" : ` (${formatSize(bytes)})`;
  return `${counted(blobs, "blob")}, ${counted(bytes, "byte")}${size}`;
}

export function formatRun(run: RunAnswer): string {
  const forgotten =
    run.manifests === 0 ? "" : `; ${counted(run.manifests, "deleted manifest")} cannot come back any more`;
  return `Gave back ${formatFreed(run)}${forgotten}\n`;
}

export function formatPlan(plan: PlanAnswer): string {
  const forgotten =
    plan.manifests === 0
      ? ""
      : `; ${counted(plan.manifests, "deleted manifest")} could not come back any more`;
  const rows = plan.first.slice(0, mostListed).map(({ digest, size }) => [digest, formatSize(size)]);
  const rest = plan.blobs > rows.length ? `... and ${plan.blobs - rows.length} more\n` : "";
  const list = rows.length === 0 ? "" : formatTable(["BLOB", "SIZE"], rows);
  return `Would give back ${formatFreed(plan)}${forgotten}\n${list}${rest}`;
}

export function formatStatus(status: StatusAnswer, nowMs: number): string {
  const {
    removedManifests,
    oldestRemoval,
    reviews,
    oldestReview,
    files,
    fileBytes,
    holds,
    everySeconds,
    total,
    runs,
  } = status;
  const removed = oldestRemoval === undefined ? "" : `, the first was deleted ${agoOf(oldestRemoval, nowMs)}`;
  const due = oldestReview === undefined ? "" : `, the first ${dueOf(oldestReview, nowMs)}`;
  const lines = [
    ["can be brought back", `${upTo(status.mostCounted, removedManifests, "deleted manifest")}${removed}`],
    ["for", lengthOf(status.graceSeconds)],
    [
      "runs begin",
      everySeconds === undefined ? "with berth gc run" : `by themselves, every ${lengthOf(everySeconds)}`,
    ],
    ["to be reviewed", `${upTo(status.mostCounted, reviews, "blob")}${due}`],
    [
      "to be removed",
      `${upTo(status.mostCounted, files, "file")}${files === 0 ? "" : `, ${formatSize(fileBytes)}`}`,
    ],
    ["given back so far", formatFreed(total)],
    ...holds.map(({ holder, until }) => ["held by", `${holder}, until ${secondsOf(until)}`]),
  ];
  const rows = runs.map((run) => [
    secondsOf(run.startedAt),
    run.actor,
    run.outcome ?? "running",
    `${run.blobs}`,
    formatSize(run.bytes),
  ]);
  const table = rows.length === 0 ? "" : `\n${formatTable(["RUN", "WHO", "OUTCOME", "BLOBS", "SIZE"], rows)}`;
  return `${formatTable([], lines)}${table}`;
}

export function formatWhy({ objects, holds, everySeconds }: WhyAnswer): string {
  const how = everySeconds === undefined ? "with the next berth gc run" : "by itself";
  return objects
    .map(({ digest, kind, state, at, size, isLost, reasons }) => {
      if (state === "unknown") return `${digest}: is not here\n`;
      const what = `${kind} ${digest}${size === undefined ? "" : `, ${formatSize(size)}`}${isLost ? ", lost" : ""}`;
      const when = isPast(at) ? "now" : secondsOf(at ?? "");
      const fate = state === "kept" ? "kept" : `goes ${when}, ${how}`;
      const lines = [
        ...reasons.map(({ repository, why, until }) => `  ${repository}: ${why}${untilOf(until)}\n`),
        ...(state === "goes" ? holds : []).map(
          ({ holder, until }) => `  nothing is removed beside ${holder}${untilOf(until)}\n`,
        ),
      ];
      return `${what}: ${fate}\n${lines.join("")}`;
    })
    .join("");
}

const untilOf = (until: string | undefined) => (until === undefined ? "" : `, until ${secondsOf(until)}`);

const isPast = (at: string | undefined) => at === undefined || Date.parse(at) <= Date.now();

function agoOf(time: string, nowMs: number): string {
  const age = formatAge(nowMs - Date.parse(time));
  return `${age.slice(0, 1).toLowerCase()}${age.slice(1)}`;
}

/** What a run left, why, and what lets go of it; empty if nothing. */
export function formatLeft(status: StatusAnswer, nowMs: number): string {
  const { removedManifests, graceSeconds, reviews, oldestReview, mostCounted, everySeconds } = status;
  const lines: string[] = [];
  if (removedManifests > 0) {
    const count = upTo(mostCounted, removedManifests, "deleted manifest");
    lines.push(
      `${count} can be brought back, for ${lengthOf(graceSeconds)}: --grace 0s lets go of ${removedManifests === 1 ? "it" : "them"} now`,
    );
  }
  if (reviews > 0 && oldestReview !== undefined && Date.parse(oldestReview) > nowMs) {
    const count = upTo(mostCounted, reviews, "blob");
    const how = everySeconds === undefined ? "with berth gc run" : "by itself or with berth gc run";
    lines.push(
      `${count} more may be needed by who was told that they are here: the first can go ${secondsOf(oldestReview)}, ${how}`,
    );
  }
  return lines.map((line) => `${line}\n`).join("");
}

function upTo(mostCounted: number, count: number, noun: string): string {
  return `${count < mostCounted ? "" : "at least "}${counted(count, noun)}`;
}

function dueOf(time: string, nowMs: number): string {
  return Date.parse(time) <= nowMs ? "with the next run" : `at ${secondsOf(time)}`;
}

function lengthOf(seconds: number): string {
  for (const [unit, length] of [
    ["days", 86_400],
    ["hours", 3600],
    ["minutes", 60],
  ] as const) {
    if (seconds >= 2 * length) return `${Number((seconds / length).toFixed(1))} ${unit}`;
  }
  return counted(seconds, "second");
}

/** A time without fractions of a second. */
function secondsOf(time: string): string {
  return `${time.slice(0, 19)}Z`;
}
