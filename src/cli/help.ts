import type { Command, Flag, Operand } from "./command.ts";
import { type CommandTable, entriesOf, type TableEntry } from "./table.ts";

/** `berth --help`: all commands. */
export function describeTable(table: CommandTable): string {
  const width = Math.max(...entriesOf(table).map(({ words }) => words.length));
  const shown = table.map(({ title, commands }) => `${title}:\n${listCommands(commands, width)}`);
  return `Berth: a registry for container images and all OCI artifacts

Usage:  berth COMMAND

${shown.join("\n")}
berth COMMAND --help tells more of a command, berth --version which Berth this is.
`;
}

/** `berth tags --help`: the commands that begin with the same word. */
export function describeGroup(words: string, entries: readonly TableEntry[]): string {
  return `Usage:  berth ${words} COMMAND\n\n${listCommands(entries)}\nberth ${words} COMMAND --help tells more of a command.\n`;
}

/** `berth tags ls --help`. */
export function describeCommand({ words, summary, aliases = [] }: TableEntry, command: Command): string {
  const flags = Object.entries(command.flags).map(describeFlag);
  const parts = [
    `Usage:  ${usageOf(words, command)}\n`,
    `${summary}\n`,
    ...(command.description ? [`${command.description}\n`] : []),
    ...(aliases.length > 0 ? [`Also:  ${aliases.map((alias) => `berth ${alias}`).join(", ")}\n`] : []),
    ...(flags.length > 0 ? [`Options:\n${columns(flags)}`] : []),
    ...(command.examples
      ? [`Examples:\n${columns(command.examples.map(({ line, does }) => [line, does]))}`]
      : []),
  ];
  return parts.join("\n");
}

/** How a command is called: `berth tags ls [OPTIONS] REPOSITORY`. */
export function usageOf(words: string, { flags, operands }: Pick<Command, "flags" | "operands">): string {
  const options = Object.keys(flags).length > 0 ? ["[OPTIONS]"] : [];
  return ["berth", words, ...options, ...Object.values(operands).map(operandShape)].join(" ");
}

function operandShape({ value, optional, multiple }: Operand): string {
  const shape = multiple ? `${value}...` : value;
  return optional ? `[${shape}]` : shape;
}

function describeFlag([name, flag]: [string, Flag]): readonly [string, string] {
  const short = flag.short ? `-${flag.short}, ` : "    ";
  const more = [...choicesOf(flag), ...(flag.type === "text" && flag.multiple ? ["several times"] : [])];
  const otherwise = flag.type !== "switch" && flag.otherwise ? ` (${flag.otherwise})` : "";
  return [
    `${short}--${name}${valueShape(flag)}`,
    `${flag.summary}${more.length > 0 ? `; ${more.join("; ")}` : ""}${otherwise}`,
  ];
}

function choicesOf(flag: Flag): readonly string[] {
  return flag.type === "text" && flag.choices ? [flag.choices.join(", ")] : [];
}

function valueShape(flag: Flag): string {
  if (flag.type === "switch") return "";
  return flag.type === "text" && flag.bare !== undefined ? `[=${flag.value}]` : ` ${flag.value}`;
}

function listCommands(entries: readonly TableEntry[], width?: number): string {
  return columns(
    entries.map(({ words, summary }) => [words, summary]),
    width,
  );
}

/** Two columns; a first one that is too wide has a line of its own. */
function columns(
  rows: readonly (readonly [string, string])[],
  width = Math.max(0, ...rows.map(([first]) => first.length).filter((length) => length <= 32)),
): string {
  const lines = rows.map(([first, second]) =>
    first.length > width
      ? `  ${first}\n${" ".repeat(width + 5)}${second}`
      : `  ${first.padEnd(width)}   ${second}`,
  );
  return `${lines.join("\n")}\n`;
}
