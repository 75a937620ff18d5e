import type { Command, Completion, Flag, Operand } from "../command.ts";
import { type CommandTable, entriesOf, findCommand, type TableEntry } from "../table.ts";

/** One thing that can stand where a shell completes. */
export interface Candidate {
  readonly value: string;
  readonly description?: string;
}

/** What can stand where a shell completes: these, or the paths that the shell itself knows. */
export type Completed = readonly Candidate[] | "files" | "folders";

/** Finds the names that are known without asking anybody far away, for what is not in the table. */
export type NameSource = (kind: Exclude<Completion, "file" | "folder">) => Promise<readonly string[]>;

/**
 * What can stand in place of the last word of a command line.
 * @param words what was typed behind `berth`, up to the cursor; the last one may be empty
 */
export async function complete(
  table: CommandTable,
  words: readonly string[],
  names: NameSource,
): Promise<Completed> {
  const before = words[0] === "help" ? words.slice(1, -1) : words.slice(0, -1);
  const current = words.at(-1) ?? "";
  const found = findCommand(table, before);
  if (found.kind !== "command" || words[0] === "help") {
    const help =
      before.length === 0 && words.length === 1 ? [{ words: "help", summary: "Explain a command" }] : [];
    return startingWith(current, nextWords([...entriesOf(table), ...help], before));
  }
  const command = await found.entry.load();
  const completed = await completeArgument(command, found.rest, current, names);
  return typeof completed === "string" ? completed : startingWith(current, completed);
}

function nextWords(
  entries: readonly Pick<TableEntry, "words" | "summary">[],
  before: readonly string[],
): readonly Candidate[] {
  const typed = before.map((word) => `${word} `).join("");
  const found = new Map<string, string | undefined>();
  for (const { words, summary } of entries) {
    if (!words.startsWith(typed)) continue;
    const [next = "", ...more] = words.slice(typed.length).split(" ");
    found.set(next, more.length > 0 ? undefined : summary);
  }
  return [...found].map(([value, description]) => ({ value, ...(description ? { description } : {}) }));
}

async function completeArgument(
  { flags, operands }: Command,
  before: readonly string[],
  current: string,
  names: NameSource,
): Promise<Completed> {
  const state = stateAfter(before, flags);
  if (state.waiting) return valuesOf(state.waiting, names, "");
  const inline = state.areFlagsOver ? null : /^--([^=]+)=/.exec(current);
  const inlineFlag = inline?.[1] === undefined ? undefined : flags[inline[1]];
  if (inline && inlineFlag) return valuesOf(inlineFlag, names, inline[0]);
  if (current.startsWith("-") && !state.areFlagsOver) return flagCandidates(flags);
  const all = Object.values(operands);
  const operand = all[state.operands] ?? (all.at(-1)?.multiple ? all.at(-1) : undefined);
  return operand ? valuesOf(operand, names, "") : [];
}

/** Where words stand behind a command: how many operands there were, and the flag that waits for its value. */
function stateAfter(words: readonly string[], flags: Command["flags"]) {
  let operands = 0;
  let waiting: Flag | undefined;
  let areFlagsOver = false;
  for (const word of words) {
    if (waiting) waiting = undefined;
    else if (areFlagsOver || !word.startsWith("-") || word === "-") operands += 1;
    else if (word === "--") areFlagsOver = true;
    else waiting = waitingFlag(word, flags);
  }
  return { operands, waiting, areFlagsOver };
}

function waitingFlag(word: string, flags: Command["flags"]): Flag | undefined {
  const takesNext = (flag: Flag | undefined) =>
    flag && flag.type !== "switch" && !(flag.type === "text" && flag.bare !== undefined) ? flag : undefined;
  if (word.startsWith("--")) return takesNext(flags[word.slice(2)]);
  return takesNext(Object.values(flags).find(({ short }) => short && word.endsWith(short)));
}

function flagCandidates(flags: Command["flags"]): readonly Candidate[] {
  const own = Object.entries(flags).map(([name, { summary }]) => ({
    value: `--${name}`,
    description: summary,
  }));
  return [...own, { value: "--help", description: "explain the command" }];
}

/** @param start what stands before the value in the same word */
async function valuesOf(what: Flag | Operand, names: NameSource, start: string): Promise<Completed> {
  const values = await namesFor(what, names);
  return typeof values === "string" ? values : values.map((value) => ({ value: start + value }));
}

async function namesFor(
  what: Flag | Operand,
  names: NameSource,
): Promise<readonly string[] | "files" | "folders"> {
  if ("choices" in what && what.choices) return what.choices;
  const completion = "completion" in what ? what.completion : undefined;
  if (completion === undefined) return [];
  if (completion === "file") return "files";
  return completion === "folder" ? "folders" : names(completion);
}

function startingWith(current: string, candidates: readonly Candidate[]): readonly Candidate[] {
  return candidates.filter(({ value }) => value.startsWith(current));
}
