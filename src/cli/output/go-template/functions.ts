import { UsageError } from "../../command.ts";

/** A value in a template. `undefined` is what a key that is not there gives. */
export type Value = unknown;

/** Functions by the names that templates call them. */
export type Functions = Readonly<Record<string, (...args: readonly Value[]) => Value>>;

/** What a template can call: Go's own functions, and those that docker adds. */
export const functions: Functions = {
  json: (value) => JSON.stringify(value ?? null),
  split: (text, separator) => printed(text).split(printed(separator)),
  join: (list, separator) => listOf(list, "join").map(printed).join(printed(separator)),
  title: (text) =>
    printed(text).replace(/(^|\s)(\S)/g, (_, gap: string, char: string) => gap + char.toUpperCase()),
  lower: (text) => printed(text).toLowerCase(),
  upper: (text) => printed(text).toUpperCase(),
  pad: (text, before, after) => " ".repeat(numberOf(before)) + printed(text) + " ".repeat(numberOf(after)),
  truncate: (text, length) => printed(text).slice(0, numberOf(length)),
  index: (value, ...keys) => keys.reduce(indexed, value),
  len: (value) => lengthOf(value),
  print: (...values) => values.map(printed).join(""),
  println: (...values) => `${values.map(printed).join(" ")}\n`,
  printf: (format, ...values) => formatted(printed(format), values),
  not: (value) => !isTrue(value),
  and: (...values) => values.find((value) => !isTrue(value)) ?? values.at(-1),
  or: (...values) => values.find(isTrue) ?? values.at(-1),
  eq: (value, ...others) => others.some((other) => other === value),
  ne: (one, other) => one !== other,
  lt: (one, other) => compared(one, other) < 0,
  le: (one, other) => compared(one, other) <= 0,
  gt: (one, other) => compared(one, other) > 0,
  ge: (one, other) => compared(one, other) >= 0,
};

/** Whether a value is not what Go calls empty. */
export function isTrue(value: Value): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

/** A value as Go prints it. */
export function printed(value: Value): string {
  if (value === undefined) return "<no value>";
  if (value === null) return "<nil>";
  if (Array.isArray(value)) return `[${value.map(printed).join(" ")}]`;
  if (typeof value !== "object") return String(value);
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `map[${entries.map(([key, item]) => `${key}:${printed(item)}`).join(" ")}]`;
}

function indexed(value: Value, key: Value): Value {
  if (Array.isArray(value)) {
    const at = numberOf(key);
    if (at in value) return value[at];
    throw new UsageError(`template: index ${at} is out of a list of ${value.length}`);
  }
  if (typeof value === "object" && value !== null) {
    return Object.hasOwn(value, printed(key)) ? (value as Record<string, Value>)[printed(key)] : "";
  }
  if (value === null || value === undefined) return "";
  throw new UsageError(`template: index needs a list or a map, not ${JSON.stringify(value)}`);
}

function lengthOf(value: Value): number {
  if (typeof value === "string" || Array.isArray(value)) return value.length;
  if (typeof value === "object" && value !== null) return Object.keys(value).length;
  if (value === null || value === undefined) return 0;
  throw new UsageError(`template: len needs a text, list or map, not ${JSON.stringify(value)}`);
}

function listOf(value: Value, name: string): readonly Value[] {
  if (Array.isArray(value)) return value;
  if (value === null || value === undefined) return [];
  throw new UsageError(`template: ${name} needs a list, not ${JSON.stringify(value)}`);
}

function numberOf(value: Value): number {
  if (typeof value === "number") return value;
  throw new UsageError(`template: ${JSON.stringify(value ?? null)} is no number`);
}

function compared(one: Value, other: Value): number {
  if (typeof one === "number" && typeof other === "number") return one - other;
  if (typeof one === "string" && typeof other === "string") return one < other ? -1 : one > other ? 1 : 0;
  throw new UsageError("template: only two numbers or two texts can be compared");
}

function formatted(format: string, values: readonly Value[]): string {
  let at = 0;
  return format.replace(/%(-?\d*)([svdqt%])/g, (_, width: string, verb: string) => {
    if (verb === "%") return "%";
    const value = values[at++];
    const text = verb === "q" ? JSON.stringify(printed(value)) : printed(value);
    const size = Number(width || 0);
    return size < 0 ? text.padEnd(-size) : text.padStart(size);
  });
}
