import type { Context, Surroundings } from "../command.ts";
import { writeJson } from "../output/json.ts";
import { formatOutcome } from "../output/tags/tables.ts";
import { managementFlags } from "./management.ts";
import { outcomeAnswer } from "./tag-answers.ts";
import type { TagPlace } from "./tags.ts";

/** The flags of commands that change tags. */
export const tagChangeFlags = {
  "dry-run": { type: "switch", summary: "only print what would happen" },
  ...managementFlags,
} as const;

type ChangeContext = Surroundings & Pick<Context<typeof tagChangeFlags>, "flags">;

/** Asks for a change of tags and prints what it led to. Resolves to the exit code: 1 when it would be refused. */
export async function changeTags(
  { flags, stdout, stderr }: ChangeContext,
  { ask, reference, name }: TagPlace,
  path: `/${string}`,
  body: object,
): Promise<number> {
  const outcome = await ask(
    {
      method: "POST",
      path,
      body: { repository: reference.repository, dryRun: flags["dry-run"], ...body },
      action: `change tags of ${name}`,
    },
    outcomeAnswer,
  );
  if (flags.json) writeJson(stdout, outcome);
  else {
    stdout.write(formatOutcome(outcome));
    for (const note of outcome.notes) stderr.write(`berth: ${note}\n`);
  }
  return outcome.lines.some(({ action }) => action === "refuse") ? 1 : 0;
}
