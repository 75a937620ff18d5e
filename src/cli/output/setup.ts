import type { FileChange, Plan } from "../setup/plan.ts";
import type { UndoneFile } from "../setup/undo.ts";
import { formatTable } from "./tables.ts";

/** The lines of a plan: each file and program, and why. @param verbs for files and programs, such as `wrote` and `ran` */
export function describePlan({ files, commands }: Plan, verbs: readonly [string, string]): string {
  const rows = [
    ...files.map(({ path, why }) => [`  ${verbs[0]}`, path, why]),
    ...commands.map(({ argv, why }) => [`  ${verbs[1]}`, argv.join(" "), why]),
  ];
  return formatTable([], rows);
}

/** What is left to a person. */
export function describeAdvice({ advice }: Pick<Plan, "advice">): string {
  return [...new Set(advice)].map((one) => `To do: ${one}\n`).join("");
}

/** What changes in a file, line by line. */
export function describeChange({ path, before = "", after, why }: FileChange): string {
  const [old, now] = [linesOf(before), linesOf(after)];
  let start = 0;
  while (start < old.length && old[start] === now[start]) start += 1;
  let end = 0;
  while (end < old.length - start && end < now.length - start && old.at(-1 - end) === now.at(-1 - end))
    end += 1;
  const gone = old.slice(start, old.length - end).map((line) => `- ${line}\n`);
  const come = now.slice(start, now.length - end).map((line) => `+ ${line}\n`);
  return `${path} (${why})\n${[...gone, ...withoutBodies(come)].join("")}`;
}

function linesOf(text: string): readonly string[] {
  const lines = text.split("\n");
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

/** Nobody reads what stands within a certificate. */
function withoutBodies(lines: readonly string[]): readonly string[] {
  let isInside = false;
  return lines.filter((line) => {
    const was = isInside;
    if (line.includes("-----BEGIN ")) isInside = true;
    if (line.includes("-----END ")) isInside = false;
    return !(was && isInside);
  });
}

const outcomes = {
  restored: "is as it was",
  removed: "is removed",
  unchanged: "was so already",
  kept: "stays: others changed it since, and what setup wrote cannot be told apart; look at it yourself",
} as const satisfies Record<UndoneFile["outcome"], string>;

/** What became of each file, or would. */
export function describeUndone(files: readonly UndoneFile[]): string {
  return formatTable(
    [],
    files.map(({ path, outcome }) => [`  ${path}`, outcomes[outcome]]),
  );
}
