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
  const lines = findings.map(({ check, state, says, mend }) => {
    const line = `${marks[state]}  ${check.padEnd(nameWidth)}  ${state === "untried" ? dim(says) : says}\n`;
    return mend === undefined ? line : `${line}${" ".repeat(nameWidth + 9)}mend it: ${bold(mend)}\n`;
  });
  const wrong = findings.filter(({ state }) => state === "wrong").length;
  return `${lines.join("")}${wrong === 0 ? "Nothing is wrong" : `${wrong} ${wrong === 1 ? "thing is" : "things are"} wrong`}\n`;
}
