/** One figure of one server in a row. */
export interface Figure {
  readonly peer: string;
  readonly samples: readonly number[];
  /** Further facts, such as CPU seconds per GiB. */
  readonly note?: string;
}

/** One promise, measured for several servers in the same run. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  /** Whether more is better; then the ratio is Berth's figure over the peer's, else the other way round. */
  readonly higherIsBetter: boolean;
  readonly figures: readonly Figure[];
}

/** The value below which `share` of the samples lie; of few samples the nearest. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** The rows as a table in Markdown; the ratio says how many times better Berth is than the peer. */
export function toMarkdown(rows: readonly Row[]): string {
  const lines = ["| what | server | median | worst | Berth is better by | |", "|---|---|---|---|---|---|"];
  for (const row of rows) {
    const own = quantile(row.figures.find(({ peer }) => peer === "berth")?.samples ?? [], 0.5);
    for (const { peer, samples, note = "" } of row.figures) {
      const median = quantile(samples, 0.5);
      const worst = quantile(samples, row.higherIsBetter ? 0.01 : 0.99);
      const ratio = peer === "berth" ? "" : ratioOf(peer, row.higherIsBetter ? own / median : median / own);
      lines.push(
        `| ${row.name} | ${peer} | ${show(median)} ${row.unit} | ${show(worst)} | ${ratio} | ${note} |`,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}

/** How many times better Berth is than a peer; of Berth with other settings, how many times better that is. */
function ratioOf(peer: string, ratio: number): string {
  return peer.startsWith("berth,") ? `itself ${(1 / ratio).toFixed(2)} x` : `${ratio.toFixed(2)} x`;
}

function show(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
