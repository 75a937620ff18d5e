import { isDeepStrictEqual } from "node:util";
import { type AST, getStaticTOMLValue, ParseError, parseTOML } from "toml-eslint-parser";
import { UsageError } from "../../command.ts";

/** A table of TOML. */
export type TomlTable = Readonly<Record<string, unknown>>;

type KeyPath = readonly string[];

/** What one key of a table is to be: `set` to a value, also in place of one that is there; or a list with `add` in it. */
export type TomlEntry = { readonly key: string } & (
  | { readonly set: string | boolean | readonly string[] }
  | { readonly add: string }
);

/** @throws UsageError when the text of a file is no TOML */
export function parseToml(file: string, text: string): TomlTable {
  return getStaticTOMLValue(syntaxOf(file, decode(file, text))) as TomlTable; // a document is a table
}

/** What stands at a path of keys; `undefined` where there is nothing. */
export function tomlAt(table: TomlTable, ...keys: KeyPath): unknown {
  return keys.reduce<unknown>(
    (at, key) => (isTable(at) && Object.hasOwn(at, key) ? at[key] : undefined),
    table,
  );
}

/** The texts of a list, or the one text that stands instead of a list; `undefined` where it is neither. */
export function tomlTexts(value: unknown): readonly string[] | undefined {
  if (value === undefined) return [];
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.every((one) => typeof one === "string") ? list : undefined;
}

/**
 * Gives a table of a file entries, and leaves all else as it is written. Both texts are read, and have to differ in these
 * entries alone.
 * @param text Latin-1, as the result
 * @throws UsageError when the file is no TOML, or writes this in a form that cannot be changed so
 */
export function withEntries(
  file: string,
  text: string,
  table: KeyPath,
  entries: readonly TomlEntry[],
): string {
  let source = decode(file, text);
  let wanted = parseToml(file, text);
  for (const entry of entries) {
    const value =
      "set" in entry ? entry.set : [...(tomlTexts(tomlAt(wanted, ...table, entry.key)) ?? []), entry.add];
    wanted = withValue(wanted, [...table, entry.key], value);
  }
  // The last one first, as each comes right behind the table's header.
  for (const entry of [...entries].reverse())
    source = withEntry(syntaxOf(file, source), source, table, entry);
  const after = encode(source);
  if (isSoundAndEqual(file, after, wanted)) return after;
  const lines = entries.map((entry) => `${keyText(entry.key)} = ${valueText(entry)}`);
  throw new UsageError(
    `${file} has this in a form that cannot be added to: write it yourself:\n  ${[headerOf(table), ...lines].join("\n  ")}`,
  );
}

function isSoundAndEqual(file: string, text: string, wanted: TomlTable): boolean {
  try {
    return isDeepStrictEqual(parseToml(file, text), wanted);
  } catch (error) {
    if (error instanceof UsageError) return false;
    throw error;
  }
}

function withEntry(syntax: AST.TOMLProgram, source: string, table: KeyPath, entry: TomlEntry): string {
  const [top] = syntax.body;
  const tables = top.body.filter((node) => node.type === "TOMLTable");
  const value = valueAt(top, [...table, entry.key]);
  if (value) return withChangedValue(source, value, entry);
  const eol = source.includes("\r\n") ? "\r\n" : "\n";
  const line = `  ${keyText(entry.key)} = ${valueText(entry)}${eol}`;
  const known = tables.find(({ kind, resolvedKey }) => kind === "standard" && isSame(resolvedKey, table));
  if (!known) {
    const gap = source === "" || /\n\r?\n$/.test(source) ? "" : source.endsWith("\n") ? eol : eol + eol;
    return `${source}${gap}${headerOf(table)}${eol}${line}`;
  }
  const indent = /[ \t]*$/.exec(source.slice(0, known.range[0]))?.[0] ?? "";
  const end = source.indexOf("\n", known.key.range[1]) + 1;
  if (end === 0) return `${source}${eol}${indent}${line}`;
  return `${source.slice(0, end)}${indent}${line}${source.slice(end)}`;
}

function withChangedValue(source: string, value: AST.TOMLContentNode, entry: TomlEntry): string {
  const [from, to] = value.range;
  const put = (at: number, end: number, text: string): string =>
    source.slice(0, at) + text + source.slice(end);
  if ("set" in entry) return put(from, to, valueText(entry));
  const added = JSON.stringify(entry.add);
  if (value.type !== "TOMLArray") return put(from, to, `[${source.slice(from, to)}, ${added}]`);
  const last = value.elements.at(-1);
  return last ? put(last.range[1], last.range[1], `, ${added}`) : put(from + 1, from + 1, added);
}

/** The value of a key, wherever it is written; `undefined` where it is not, or within a value. */
function valueAt(top: AST.TOMLTopLevelTable, path: KeyPath): AST.TOMLContentNode | undefined {
  for (const node of top.body) {
    const [keys, above] = node.type === "TOMLTable" ? [node.body, node.resolvedKey] : [[node], []];
    const found = keys.find(({ key }) => isSame([...above, ...getStaticTOMLValue(key)], path));
    if (found) return found.value;
  }
  return undefined;
}

function withValue(table: TomlTable, [key, ...rest]: KeyPath, value: unknown): TomlTable {
  if (key === undefined) return table;
  const below = tomlAt(table, key);
  return { ...table, [key]: rest.length === 0 ? value : withValue(isTable(below) ? below : {}, rest, value) };
}

function isSame(keys: readonly (string | number)[], path: KeyPath): boolean {
  return keys.length === path.length && keys.every((key, index) => key === path[index]);
}

function isTable(value: unknown): value is TomlTable {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function headerOf(table: KeyPath): string {
  return `[${table.map(keyText).join(".")}]`;
}

function keyText(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key);
}

function valueText(entry: TomlEntry): string {
  const value = "set" in entry ? entry.set : [entry.add];
  return Array.isArray(value)
    ? `[${value.map((one) => JSON.stringify(one)).join(", ")}]`
    : JSON.stringify(value);
}

function syntaxOf(file: string, source: string): AST.TOMLProgram {
  try {
    return parseTOML(source);
  } catch (cause) {
    if (!(cause instanceof ParseError)) throw cause;
    const reason = `${cause.message} in line ${cause.lineNumber}`;
    throw new UsageError(`${file} is no TOML: ${reason}: mend it, nothing was changed`, { cause });
  }
}

/** TOML is UTF-8. https://toml.io/en/v1.0.0#spec */
function decode(file: string, text: string): string {
  const source = Buffer.from(text, "latin1").toString("utf8");
  if (encode(source) === text) return source;
  throw new UsageError(`${file} is no TOML: it is not UTF-8: mend it, nothing was changed`);
}

function encode(source: string): string {
  return Buffer.from(source, "utf8").toString("latin1");
}
