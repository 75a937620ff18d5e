import { compileTemplate } from "./go-template/template.ts";
import { formatTable } from "./tables.ts";

/** Fields of what is printed, by the names that a template has for them. */
export type Fields = Readonly<Record<string, unknown>>;

/**
 * Prints things as docker's `--format` says: `json`, a template for each line, or `table` and a template whose columns
 * are parted by `\t`.
 * @param headings of the fields, for a table
 * @throws UsageError when the template is wrong
 */
export function formatAs(format: string, list: readonly Fields[], headings: Fields): string {
  if (format === "json") return list.map((fields) => `${JSON.stringify(fields)}\n`).join("");
  const isTable = /^table(?:\s|$)/.test(format);
  const source = isTable ? format.replace(/^table\s*/, "") : format;
  const template = compileTemplate(source.replaceAll("\\t", "\t").replaceAll("\\n", "\n"));
  if (!isTable) return list.map((fields) => `${template(fields)}\n`).join("");
  const [header = [], ...rows] = [headings, ...list].map((fields) => template(fields).split("\t"));
  return formatTable(header, rows);
}
