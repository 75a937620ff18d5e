import { nearest } from "../oci/near.ts";
import type { Command } from "./command.ts";

/** Where a command stands: what is known of it before it is loaded. */
export interface TableEntry {
  /** How it is called, such as `tags ls`. */
  readonly words: string;
  /** What it does, for the list of commands: begins with a capital letter, without a full stop. */
  readonly summary: string;
  /** Other words for the same, as docker has them. */
  readonly aliases?: readonly string[];
  readonly load: () => Promise<Command>;
}

/** Commands under one heading of the help. */
export interface TableSection {
  readonly title: string;
  readonly commands: readonly TableEntry[];
}

export type CommandTable = readonly TableSection[];

/** What a command line begins with. */
export type Found =
  | { readonly kind: "command"; readonly entry: TableEntry; readonly rest: readonly string[] }
  /** The first words of several commands, such as `tags`. */
  | {
      readonly kind: "group";
      readonly words: string;
      readonly entries: readonly TableEntry[];
      readonly rest: readonly string[];
    }
  | { readonly kind: "nothing"; readonly words: string; readonly near: readonly string[] };

/** All commands, in the order of the table. */
export function entriesOf(table: CommandTable): readonly TableEntry[] {
  return table.flatMap(({ commands }) => commands);
}

/** Finds the command with the most words that the arguments begin with. */
export function findCommand(table: CommandTable, args: readonly string[]): Found {
  const entries = entriesOf(table);
  const isFlag = args.findIndex((arg) => arg.startsWith("-"));
  const words = isFlag < 0 ? args : args.slice(0, isFlag);
  for (let length = Math.min(words.length, mostWords(entries)); length > 0; length--) {
    const name = words.slice(0, length).join(" ");
    const entry = entries.find((one) => one.words === name || one.aliases?.includes(name));
    if (entry) return { kind: "command", entry, rest: args.slice(length) };
    const group = entries.filter((one) => one.words.startsWith(`${name} `));
    if (group.length > 0 && length === words.length) {
      return { kind: "group", words: name, entries: group, rest: args.slice(length) };
    }
  }
  return { kind: "nothing", ...suggestions(entries, words) };
}

function mostWords(entries: readonly TableEntry[]): number {
  return Math.max(...entries.map(({ words }) => words.split(" ").length));
}

function suggestions(entries: readonly TableEntry[], words: readonly string[]) {
  const group = entries.filter((entry) => entry.words.startsWith(`${words[0]} `));
  const wanted = words.slice(0, group.length > 0 ? 2 : 1).join(" ");
  const names = group.length > 0 ? group.map((entry) => entry.words) : firstWords(entries);
  return { words: wanted, near: nearest(wanted, names, 3) };
}

function firstWords(entries: readonly TableEntry[]): readonly string[] {
  const names = entries.flatMap(({ words, aliases = [] }) => [words, ...aliases]);
  return [...new Set(names.flatMap((name) => name.split(" ").slice(0, 1)))];
}
