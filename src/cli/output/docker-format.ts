import { compileTemplate, type Template, UnknownFieldError } from "./go-template/template.ts";
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
  if (list.length === 0) checkFields(template, headings);
  if (!isTable) return list.map((fields) => `${template(fields)}\n`).join("");
  const [header = [], ...rows] = [headings, ...list].map((fields) => template(fields).split("\t"));
  return formatTable(header, rows);
}

/** A field that there is not is an error also where nothing is printed. */
function checkFields(template: Template, headings: Fields): void {
  try {
    template(headings);
  } catch (error) {
    if (error instanceof UnknownFieldError) throw error;
    // Headings are not what the template was written for: what else is wrong with them says nothing.
  }
}
