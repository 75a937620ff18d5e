import type { PlanAnswer, RunAnswer, StatusAnswer, WhyAnswer } from "../collection-answers.ts";
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
  const { removedManifests, oldestRemoval, reviews, oldestReview, files, fileBytes, holds, total, runs } =
    status;
  const removed = oldestRemoval === undefined ? "" : `, the first was deleted ${agoOf(oldestRemoval, nowMs)}`;
  const due = oldestReview === undefined ? "" : `, the first ${dueOf(oldestReview, nowMs)}`;
  const upTo = (count: number, noun: string) =>
    `${count < status.mostCounted ? "" : "at least "}${counted(count, noun)}`;
  const lines = [
    ["can be brought back", `${upTo(removedManifests, "deleted manifest")}${removed}`],
    ["for", lengthOf(status.graceSeconds)],
    ["to be reviewed", `${upTo(reviews, "blob")}${due}`],
    ["to be removed", `${upTo(files, "file")}${files === 0 ? "" : `, ${formatSize(fileBytes)}`}`],
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

export function formatWhy({ objects }: WhyAnswer): string {
  return objects
    .map(({ digest, kind, state, at, size, reasons }) => {
      const what = `${kind} ${digest}${size === undefined ? "" : `, ${formatSize(size)}`}`;
      if (state === "unknown") return `${digest}: is not here\n`;
      const fate =
        state === "kept" ? "kept" : isPast(at) ? "goes with the next run" : `goes ${secondsOf(at ?? "")}`;
      const lines = reasons.map(
        ({ repository, why, until }) =>
          `  ${repository}: ${why}${until === undefined ? "" : `, until ${secondsOf(until)}`}\n`,
      );
      return `${what}: ${fate}\n${lines.join("")}`;
    })
    .join("");
}

const isPast = (at: string | undefined) => at === undefined || Date.parse(at) <= Date.now();

function agoOf(time: string, nowMs: number): string {
  return formatAge(nowMs - Date.parse(time));
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
