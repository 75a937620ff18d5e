const padding = 3;
const narrowest = 10;

/**
 * Lays out rows as docker does: columns at least 10 wide, three blanks between them, nothing behind the last.
 * @param headers in capitals; none to leave the line out
 */
export function formatTable(headers: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = headers.length > 0 ? [headers, ...rows] : rows;
  const widths: number[] = [];
  for (const line of lines) {
    line.slice(0, -1).forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? narrowest, Bun.stringWidth(cell) + padding);
    });
  }
  return lines
    .map((line) => `${line.map((cell, at) => padCell(cell, widths[at], at === line.length - 1)).join("")}\n`)
    .join("");
}

function padCell(cell: string, width = 0, isLast: boolean): string {
  return isLast ? cell : cell + " ".repeat(Math.max(0, width - Bun.stringWidth(cell)));
}
