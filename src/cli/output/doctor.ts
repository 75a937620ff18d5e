import type { Surroundings } from "../command.ts";
import type { NamedFinding } from "../doctor/checks.ts";
import { coloursFor } from "./colours.ts";

const nameWidth = 12;

/** One line for each finding, and below what is wrong, what mends it. */
export function describeFindings(
  findings: readonly NamedFinding[],
  { stdout, env }: Pick<Surroundings, "stdout" | "env">,
): string {
  const { green, red, yellow, dim, bold } = coloursFor(stdout, env);
  const marks = {
    fine: green("ok   "),
    note: yellow("note "),
    wrong: red("WRONG"),
    untried: dim("-    "),
  } as const;
  const below = " ".repeat(nameWidth + 9);
  const lines = findings.map(({ check, state, says, mend, hint }) => {
    const line = `${marks[state]}  ${check.padEnd(nameWidth)}  ${state === "untried" ? dim(says) : says}\n`;
    if (mend === undefined) return hint === undefined ? line : `${line}${below}${hint}\n`;
    return `${line}${below}mend it: ${bold(mend)}\n${hint === undefined ? "" : `${below}(${hint})\n`}`;
  });
  const wrong = findings.filter(({ state }) => state === "wrong").length;
  return `${lines.join("")}${wrong === 0 ? "Nothing is wrong" : `${wrong} ${wrong === 1 ? "thing is" : "things are"} wrong`}\n`;
}
