import { formatSize } from "../units.ts";
import { speedOf, type Transfer, type Transfers } from "./transfers.ts";
import { describeState, type ProgressWords, shortName } from "./words.ts";

/** What there is to draw on, and when. */
export interface Canvas {
  /** Characters of a line, at least 1. */
  readonly columns: number;
  /** Lines of the screen, at least 1. */
  readonly rows: number;
  readonly nowMs: number;
}

const longestBar = 40;
const shortestBar = 8;

/**
 * Draws layers as lines: each fits into the width with one character to spare (a line that fills a terminal may wrap),
 * and all fit on the screen: what does not is counted in a last line.
 */
export function drawTransfers(transfers: Transfers, words: ProgressWords, canvas: Canvas): readonly string[] {
  const width = Math.max(1, canvas.columns - 1);
  const all = [...transfers.values()];
  const room = Math.max(1, canvas.rows - 2); // the prompt stays in sight
  const shown = all.length <= room ? all : mostInteresting(all, room - 1);
  const lines = shown.map((transfer) => drawTransfer(transfer, words, width, canvas.nowMs));
  const rest = all.filter((transfer) => !shown.includes(transfer));
  return rest.length > 0 ? [...lines, cut(describeRest(rest), width)] : lines;
}

/** Those that are under way, then those that wait, then the last that ended; in their order. */
function mostInteresting(all: readonly Transfer[], count: number): readonly Transfer[] {
  const rank = ({ state }: Transfer): number => (state === "bytes" ? 0 : state === "waiting" ? 1 : 2);
  const ranked = [...all.entries()].sort(
    ([at, a], [bt, b]) => rank(a) - rank(b) || (rank(a) === 2 ? bt - at : at - bt),
  );
  const chosen = new Set(ranked.slice(0, count).map(([, transfer]) => transfer));
  return all.filter((transfer) => chosen.has(transfer));
}

function describeRest(rest: readonly Transfer[]): string {
  const waiting = rest.filter(({ state }) => state === "waiting" || state === "bytes").length;
  const parts = [
    ...(rest.length > waiting ? [`${rest.length - waiting} done`] : []),
    ...(waiting > 0 ? [`${waiting} waiting`] : []),
  ];
  return `${rest.length} more: ${parts.join(", ")}`;
}

function drawTransfer(transfer: Transfer, words: ProgressWords, width: number, nowMs: number): string {
  const start = `${shortName(transfer)}: ${describeState(transfer, words)}`;
  if (transfer.state !== "bytes") return cut(start, width);
  const { bytes, descriptor } = transfer;
  const size = `${formatSize(bytes)}/${formatSize(descriptor.size)}`;
  const speed = speedOf(transfer, nowMs);
  const ends = [...(speed === undefined ? [] : [`${size}  ${formatSize(speed)}/s`]), size];
  for (const end of ends) {
    const bar = Math.min(longestBar, width - start.length - end.length - 4);
    if (bar >= shortestBar) return `${start} [${drawBar(bytes, descriptor.size, bar)}] ${end}`;
  }
  const percent = `${shortName(transfer)}: ${percentOf(bytes, descriptor.size)}%`;
  const fitting = [`${start} ${size}`, percent].find(({ length }) => length <= width);
  return fitting ?? cut(percent, width);
}

function drawBar(bytes: number, size: number, width: number): string {
  const filled = size > 0 ? Math.min(width, Math.floor((bytes / size) * width)) : width;
  return `${"=".repeat(filled)}${filled < width ? ">" : ""}`.padEnd(width);
}

function percentOf(bytes: number, size: number): number {
  return size > 0 ? Math.min(100, Math.floor((bytes / size) * 100)) : 100;
}

function cut(line: string, width: number): string {
  return line.slice(0, width);
}
