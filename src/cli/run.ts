import { asksForHelp, parseArguments } from "./arguments.ts";
import { type Command, type Context, type Surroundings, UsageError } from "./command.ts";
import { describeFailure } from "./failures.ts";
import { describeCommand, describeGroup, describeTable, usageOf } from "./help.ts";
import { printError } from "./output/messages.ts";
import { type CommandTable, entriesOf, findCommand, type TableEntry } from "./table.ts";

/** Runs one command line. Resolves to its exit code: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C. */
export async function runCommandLine(
  table: CommandTable,
  args: readonly string[],
  surroundings: Surroundings,
): Promise<number> {
  const { stdout, stderr } = surroundings;
  if (args[0] === "help") return runCommandLine(table, [...args.slice(1), "--help"], surroundings);
  if (args[0] === "__complete") return printCompletions(table, args.slice(2), surroundings); // behind --
  const found = findCommand(table, args);
  if (found.kind === "command") return runEntry(found.entry, found.rest, surroundings);
  const isHelp = args.some((arg) => arg === "--help" || arg === "-h");
  if (found.kind === "group") {
    (isHelp ? stdout : stderr).write(describeGroup(found.words, found.entries));
    return isHelp ? 0 : 2;
  }
  if (args[0] === "--version" || args[0] === "-v") {
    const { version } = await import("../../package.json", { with: { type: "json" } });
    stdout.write(`berth ${version}\n`);
    return 0;
  }
  if (found.words === "" && (isHelp || args.length === 0)) {
    (isHelp ? stdout : stderr).write(describeTable(table));
    return isHelp ? 0 : 2;
  }
  stderr.write(unknownCommand(found.words || String(args[0]), found.near));
  return 2;
}

/** What the completion scripts of the shells ask for. */
async function printCompletions(
  table: CommandTable,
  words: readonly string[],
  { stdout, env }: Surroundings,
): Promise<number> {
  const { complete } = await import("./completion/completion.ts");
  const { namesAtHand } = await import("./completion/names.ts");
  const completed = await complete(table, words, namesAtHand({ env }));
  const lines =
    typeof completed === "string"
      ? [`:${completed}`]
      : completed.map(({ value, description }) => (description ? `${value}\t${description}` : value));
  stdout.write(lines.map((line) => `${line}\n`).join(""));
  return 0;
}

function unknownCommand(words: string, near: readonly string[]): string {
  if (words.startsWith("-")) return `berth: there is no flag ${words} before a command\nSee berth --help\n`;
  const advice = near.length > 0 ? `, did you mean ${near.map((one) => `berth ${one}`).join(" or ")}?` : "";
  return `berth: there is no command ${JSON.stringify(words)}${advice}\nSee berth --help\n`;
}

async function runEntry(
  entry: TableEntry,
  args: readonly string[],
  surroundings: Surroundings,
): Promise<number> {
  const { stdout, stderr, signal } = surroundings;
  const command = await entry.load();
  if (asksForHelp(args, command)) {
    stdout.write(describeCommand(entry, command));
    return 0;
  }
  try {
    // Safe: both come from the same `flags` and `operands`.
    const parsed = parseArguments(args, command) as Pick<Context, "flags" | "operands">;
    return await command.run({ ...surroundings, ...parsed });
  } catch (error) {
    const failure = describeFailure(error, signal);
    const advice = failure.code === "INTERRUPTED" && failure.message ? command.afterInterruption : undefined;
    const message = advice ? `${failure.message}: ${advice}` : failure.message;
    const asJson = "json" in command.flags && args.includes("--json");
    if (asJson) stderr.write(`${JSON.stringify({ error: { code: failure.code, message } })}\n`);
    else if (message) printError(surroundings, message);
    if (error instanceof UsageError && !asJson) stderr.write(usageAdvice(entry, command));
    if (surroundings.env.BERTH_DEBUG) stderr.write(`${traceOf(error)}\n`);
    return failure.exitCode;
  }
}

/** Where an error and what led to it were thrown; no more of them, which may be secret. */
function traceOf(error: unknown): string {
  const traces: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) traces.push(at.stack ?? at.message);
  return traces.join("\ncaused by ");
}

function usageAdvice({ words }: TableEntry, command: Command): string {
  return `Usage:  ${usageOf(words, command)}\nSee berth ${words} --help\n`;
}

/** Every command of the table, loaded. */
export function loadAll(table: CommandTable): Promise<readonly (readonly [TableEntry, Command])[]> {
  return Promise.all(entriesOf(table).map(async (entry) => [entry, await entry.load()] as const));
}
