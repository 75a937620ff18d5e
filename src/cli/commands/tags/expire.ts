import { defineCommand } from "../../command.ts";
import { parseRepository } from "../../locations/operands.ts";
import { retentionAnswer } from "../../management/tag-answers.ts";
import { tagChangeFlags } from "../../management/tag-changes.ts";
import { withTagPlace } from "../../management/tags.ts";
import { writeJson } from "../../output/json.ts";
import { formatRetention } from "../../output/tags/tables.ts";

/** `berth tags expire`. */
export const tagsExpire = defineCommand({
  operands: { repository: { value: "REPOSITORY", completion: "reference" } },
  flags: tagChangeFlags,
  description: `Removes what the rule of the repository no longer retains, and prints that. berth tags plan shows it before, with a
reason for everything that stays; berth tags undelete brings it back.`,
  run: (context) => {
    const { flags, operands, stdout } = context;
    parseRepository(operands.repository);
    return withTagPlace(context, operands.repository, async ({ ask, reference, name }) => {
      const { repository } = reference;
      const asked = flags["dry-run"]
        ? { method: "GET" as const, query: { repository } }
        : { method: "POST" as const, body: { repository } };
      const action = `remove what ${name} does not retain`;
      const answer = await ask({ ...asked, path: "/tags/retention", action }, retentionAnswer);
      const lines = answer.lines.filter(({ action }) => action === "remove");
      if (flags.json) for (const line of lines) writeJson(stdout, line);
      else stdout.write(formatRetention(lines));
      return 0;
    });
  },
});
