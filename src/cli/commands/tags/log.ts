import { defineCommand } from "../../command.ts";
import { managementFlags } from "../../management/management.ts";
import { logAnswer } from "../../management/tag-answers.ts";
import { withTagPlace } from "../../management/tags.ts";
import { writeJson } from "../../output/json.ts";
import { formatChanges, formatPeriods } from "../../output/tags/tables.ts";

/** `berth tags log`. */
export const tagsLog = defineCommand({
  operands: { reference: { value: "REPOSITORY[:TAG]", completion: "reference" } },
  flags: {
    limit: { type: "number", short: "n", value: "N", summary: "how many, the latest first", otherwise: "50" },
    ...managementFlags,
  },
  description:
    "What happened to the tags of a repository, or where one tag pointed and pointed before: when, who, and why.",
  examples: [
    { line: "berth tags log localhost:5000/gallery/ui", does: "everything" },
    { line: "berth tags log localhost:5000/gallery/ui:latest", does: "where latest pointed" },
  ],
  run: (context) =>
    withTagPlace(context, context.operands.reference, async ({ ask, reference, name }) => {
      const { flags, stdout } = context;
      const { repository, tag } = reference;
      let left = flags.limit ?? 50;
      let last: number | undefined;
      const changes = [];
      const periods = [];
      do {
        const query = { repository, tag, n: Math.min(left, 1000), last };
        const page = await ask(
          { method: "GET", path: "/tags/log", query, action: `read the log of ${name}` },
          logAnswer,
        );
        changes.push(...page.changes);
        periods.push(...page.periods);
        left -= page.changes.length + page.periods.length;
        last = page.next;
      } while (last !== undefined && left > 0);
      if (flags.json) for (const line of [...changes, ...periods]) writeJson(stdout, line);
      else stdout.write(tag === undefined ? formatChanges(changes) : formatPeriods(periods));
      return 0;
    }),
});
