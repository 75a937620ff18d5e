import type { Output } from "../../terminal.ts";

/** Lines at the end of a terminal that are drawn again and again in the same place. */
export interface LiveLines {
  draw(lines: readonly string[]): void;
}

/**
 * Begins live lines at the cursor, which stands at the start of a line; it is left at the start of the line behind
 * them. When the terminal has become narrower, it has wrapped what was drawn: that is gone back over too.
 */
export function createLiveLines(output: Output): LiveLines {
  let drawn: readonly string[] = [];
  return {
    draw(lines) {
      const up = drawn.reduce((rows, line) => rows + rowsOf(line, output.columns), 0);
      const back = up > 0 ? `\u001b[${up}A` : "";
      output.write(`${back}\u001b[J${lines.map((line) => `${line}\n`).join("")}`);
      drawn = lines;
    },
  };
}

function rowsOf(line: string, columns: number): number {
  return Math.max(1, Math.ceil(line.length / columns));
}
