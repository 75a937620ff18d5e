import { UsageError } from "../../command.ts";

/** A table of TOML. */
export type TomlTable = Readonly<Record<string, unknown>>;

/** @throws UsageError when the text of a file is no TOML */
export function parseToml(file: string, text: string): TomlTable {
  try {
    return Bun.TOML.parse(Buffer.from(text, "latin1").toString()) as TomlTable; // safe: a document is a table
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`${file} is no TOML: ${reason}: mend it, nothing was changed`, { cause });
  }
}

/** What stands at a path of keys; `undefined` where there is nothing. */
export function tomlAt(table: TomlTable, ...keys: readonly string[]): unknown {
  return keys.reduce<unknown>((at, key) => (isTable(at) ? at[key] : undefined), table);
}

function isTable(value: unknown): value is TomlTable {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Gives a table of a file further lines, and leaves all else as it is written.
 * @param header as it stands in the file, `[registry."registry.local:5000"]`
 * @param lines `key = value`, of keys that the table does not have
 * @throws UsageError when the file writes the table in another way, so that it cannot be added to
 */
export function addToTable(file: string, text: string, header: string, lines: readonly string[]): string {
  const rows = text.split("\n");
  const at = rows.findIndex((row) => row.replace(/\s+#.*$/, "").trim() === header);
  const gap = text === "" || text.endsWith("\n\n") ? "" : text.endsWith("\n") ? "\n" : "\n\n";
  const indent = /^\s*/.exec(rows[at] ?? "")?.[0] ?? "";
  const added =
    at < 0
      ? `${text}${gap}${[header, ...lines.map((line) => `  ${line}`)].join("\n")}\n`
      : [...rows.slice(0, at + 1), ...lines.map((line) => `${indent}  ${line}`), ...rows.slice(at + 1)].join(
          "\n",
        );
  try {
    parseToml(file, added);
  } catch (cause) {
    const wanted = [header, ...lines].join("\n  ");
    throw new UsageError(
      `${file} has this in a form that cannot be added to: write it yourself:\n  ${wanted}`,
      { cause },
    );
  }
  return added;
}
