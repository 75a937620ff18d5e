import type { CopyEvent } from "../../registry/copy/events.ts";
import type { Fault, ImportReport, RepositoryReport, TagFate } from "../import/report.ts";
import type { Output } from "../terminal.ts";
import { writeJson } from "./json.ts";
import { createLiveLines } from "./progress/live-lines.ts";
import { counted, formatSize } from "./units.ts";

/** Shows an import as it goes, and what became of it. */
export interface ImportPrinter {
  onRepository(report: RepositoryReport): void;
  onEvent(event: CopyEvent): void;
  /** The end; on a terminal nothing else is printed before. */
  end(report: ImportReport): void;
}

const drawEveryMs = 200;
/** Faults that are printed one by one. */
const mostFaults = 100;

/** JSON is one object for each repository and one for all; else a line for each, and on a terminal one that moves. */
export function createImportPrinter(
  output: Output,
  { json, quiet, dryRun }: { readonly json: boolean; readonly quiet: boolean; readonly dryRun: boolean },
): ImportPrinter {
  if (json) {
    return {
      onRepository: (report) => writeJson(output, { state: "repository", ...report }),
      onEvent: () => {},
      end: (report) => writeJson(output, { state: "imported", ...report }),
    };
  }
  const live = output.isTerminal && !quiet ? createLiveLines(output) : undefined;
  const passed = { blobs: 0, bytes: 0 };
  let drawnMs = 0;
  const draw = (isLast: boolean): void => {
    const nowMs = performance.now();
    if (!live || (!isLast && nowMs - drawnMs < drawEveryMs)) return;
    drawnMs = nowMs;
    live.draw(isLast ? [] : [`${passed.blobs} blobs, ${formatSize(passed.bytes)}`]);
  };
  return {
    onRepository(report) {
      if (quiet) return;
      if (live) live.draw([]);
      output.write(`${repositoryLine(report, dryRun)}\n`);
    },
    onEvent({ state, descriptor }) {
      if (state === "done") {
        passed.blobs += 1;
        passed.bytes += descriptor.size;
      }
      draw(false);
    },
    end(report) {
      draw(true);
      output.write(reportText(report));
    },
  };
}

function repositoryLine(report: RepositoryReport, dryRun: boolean): string {
  const { source, repository, manifests, blobs, bytes, faults } = report;
  const name = source === repository ? repository : `${source} as ${repository}`;
  const moved = dryRun
    ? ""
    : `, ${counted(manifests, "manifest")}, ${counted(blobs.sent, "blob")} (${formatSize(bytes)})`;
  const failed = faults.length > 0 ? `, ${faults.length} failed` : "";
  return `${name}: ${tagsText(report.tags)}${moved}${failed}`;
}

const fates: Readonly<Record<TagFate, string>> = {
  new: "new",
  moved: "moved",
  same: "there already",
  kept: "kept as they are",
  failed: "failed",
};

function tagsText(tags: RepositoryReport["tags"]): string {
  const all = Object.values(tags).reduce((sum, each) => sum + each, 0);
  const parts = Object.entries(fates).flatMap(([fate, word]) => {
    const of = tags[fate as TagFate]; // safe: a key of the table
    return of > 0 ? [`${of} ${word}`] : [];
  });
  if (parts.length === 0) return "no tags";
  return `${counted(all, "tag")} (${parts.join(", ")})`;
}

/** The whole report as text. */
function reportText(report: ImportReport): string {
  const { dryRun, destination, repositories, manifests, blobs, bytes, faults, stopped } = report;
  const begin = dryRun ? "Would import" : "Imported";
  const content = dryRun
    ? ""
    : `, ${counted(manifests, "manifest")}, ${counted(blobs.sent + blobs.mounted, "blob")} (${formatSize(bytes)})`;
  const lines = [
    `${begin} ${counted(repositories, "repository", "repositories")}, ${tagsText(report.tags)}${content} into ${destination}`,
    ...filesLines(report),
    ...(report.removed > 0 ? [`Removed, as at the source: ${report.removed}`] : []),
    ...report.notes.map((note) => `Note: ${note}`),
    ...(faults.length > 0 ? [`Not imported, ${faults.length}:`] : []),
    ...faults.slice(0, mostFaults).map(faultLine),
    ...(faults.length > mostFaults ? [`  and ${faults.length - mostFaults} more: --json has all`] : []),
    ...(stopped ? [`Stopped before the end: ${stopped.message}`] : []),
    ...(faults.length > 0 ? ["The same command goes on with what is missing"] : []),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function faultLine({ where, message }: Fault): string {
  return `  ${where}: ${message}`;
}

function filesLines({ files, dryRun }: ImportReport): readonly string[] {
  if (!files || dryRun) return [];
  const words = {
    linked: "linked, taking no room",
    copied: "copied",
    small: "kept with the metadata",
  };
  const parts = Object.entries(words).flatMap(([how, word]) => {
    const { blobs, bytes } = files[how as keyof typeof words]; // safe: a key of the table
    return blobs > 0 ? [`${counted(blobs, "blob")} (${formatSize(bytes)}) ${word}`] : [];
  });
  return parts.length > 0 ? [`Files: ${parts.join("; ")}`] : [];
}
