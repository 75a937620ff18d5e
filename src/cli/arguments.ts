import { parseArgs } from "node:util";
import { quote } from "../oci/errors.ts";
import { nearest } from "../oci/near.ts";
import { type Command, type Flag, type Flags, type Operand, type Operands, UsageError } from "./command.ts";

type Value = string | number | boolean | undefined | readonly string[];

/** A command line, parsed: values by the names of flags and operands. */
export interface ParsedArguments {
  readonly flags: Readonly<Record<string, Value>>;
  readonly operands: Readonly<Record<string, string | undefined | readonly string[]>>;
}

/** Whether the help is asked for. */
export function asksForHelp(args: readonly string[], { flags }: Pick<Command, "flags">): boolean {
  const { tokens } = tokenize(args, flags);
  const isHelpLetter = !Object.values(flags).some(({ short }) => short === "h");
  return tokens.some(
    (token) => token.kind === "option" && (token.name === "help" || (isHelpLetter && token.rawName === "-h")),
  );
}

/**
 * Parses what stands behind a command's words as docker does: flags may stand between operands, `-aq` is `-a -q`,
 * `--quiet=false` takes a switch back, `--` ends the flags.
 * @throws UsageError
 */
export function parseArguments(
  args: readonly string[],
  command: Pick<Command, "flags" | "operands">,
): ParsedArguments {
  const { tokens } = tokenize(args, command.flags);
  const flags: Record<string, Value> = initialValues(command.flags);
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") operands.push(token.value);
    if (token.kind !== "option") continue;
    const flag = Object.hasOwn(command.flags, token.name) ? command.flags[token.name] : undefined;
    if (!flag) throw unknownFlag(token.rawName, command.flags);
    const value = flagValue(flag, token.rawName, token.value);
    const before = flags[token.name];
    flags[token.name] = Array.isArray(before) ? [...before, String(value)] : value;
  }
  return { flags, operands: assign(operands, command.operands) };
}

function tokenize(args: readonly string[], flags: Flags) {
  const entries = Object.entries(flags).map(([name, { type, short }]) => {
    const shape = { type: type === "switch" ? "boolean" : "string", ...(short ? { short } : {}) } as const;
    return [name, shape] as const;
  });
  const bare = new Map(
    Object.entries(flags).flatMap(([name, flag]) =>
      flag.type === "text" && flag.bare !== undefined ? [[`--${name}`, `--${name}=${flag.bare}`]] : [],
    ),
  );
  const end = args.indexOf("--");
  return parseArgs({
    args: args.map((arg, at) => (end < 0 || at < end ? (bare.get(arg) ?? arg) : arg)),
    options: Object.fromEntries(entries),
    allowPositionals: true,
    strict: false, // the messages are made here
    tokens: true,
  });
}

function initialValues(flags: Flags): Record<string, Value> {
  const entries = Object.entries(flags).map(([name, flag]): [string, Value] => [
    name,
    flag.type === "switch" ? false : flag.type === "text" && flag.multiple ? [] : undefined,
  ]);
  return Object.fromEntries(entries);
}

function flagValue(flag: Flag, name: string, text: string | undefined): string | number | boolean {
  if (flag.type === "switch") {
    if (text === undefined || text === "true") return true;
    if (text === "false") return false;
    throw new UsageError(`${name} is ${quote(text)}: expected true or false, or nothing behind it`);
  }
  if (text === undefined) throw new UsageError(`${name} needs a value: ${name} ${flag.value}`);
  if (flag.type === "number") {
    if (/^\d{1,15}$/.test(text)) return Number(text);
    throw new UsageError(`${name} is ${quote(text)}: expected a whole number`);
  }
  if (!flag.choices || flag.choices.includes(text)) return text;
  throw new UsageError(`${name} is ${quote(text)}: expected ${flag.choices.join(", ")}`);
}

function unknownFlag(name: string, flags: Flags): UsageError {
  const names = Object.keys(flags).map((known) => `--${known}`);
  const [near] = nearest(name, names, 1);
  return new UsageError(`there is no flag ${name}${near ? `, did you mean ${near}?` : ""}`);
}

function assign(given: readonly string[], operands: Operands): ParsedArguments["operands"] {
  const left = [...given];
  const entries = Object.entries(operands).map(([name, operand]) => {
    if (left.length === 0 && !operand.optional) throw missing(operand);
    const [first] = left;
    if (first !== undefined && operand.choices && !operand.choices.includes(first)) {
      throw new UsageError(`${operand.value} is ${quote(first)}: expected ${operand.choices.join(", ")}`);
    }
    return [name, operand.multiple ? left.splice(0) : left.shift()] as const;
  });
  if (left[0] !== undefined) throw new UsageError(`${quote(left[0])} is one operand too many`);
  return Object.fromEntries(entries);
}

function missing({ value, shownBy }: Operand): UsageError {
  return new UsageError(`${value} is missing${shownBy ? `: ${shownBy} shows what there is` : ""}`);
}
