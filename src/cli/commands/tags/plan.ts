import { parseTag } from "../../../oci/names.ts";
import { defineCommand, parseTyped } from "../../command.ts";
import { parseRepository } from "../../locations/operands.ts";
import { managementFlags } from "../../management/management.ts";
import { outcomeAnswer, retentionAnswer } from "../../management/tag-answers.ts";
import { type TagPlace, withTagPlace } from "../../management/tags.ts";
import { writeJson } from "../../output/json.ts";
import { formatOutcome, formatRetention } from "../../output/tags/tables.ts";

/** `berth tags plan`. */
export const tagsPlan = defineCommand({
  operands: {
    repository: { value: "REPOSITORY", completion: "reference" },
    versions: { value: "VERSION", optional: true, multiple: true },
  },
  flags: managementFlags,
  description: `Which tags would move if these versions were pushed together, from where to where, and which would not and why. It
ends with 1 when the push would be refused. Without a version: what retention would keep and remove, which berth tags
expire does.`,
  examples: [
    { line: "berth tags plan localhost:5000/gallery/ui 2.1.4", does: "what a push of 2.1.4 would do" },
    { line: "berth tags plan localhost:5000/gallery/ui", does: "what retention would do" },
  ],
  run: (context) => {
    const { flags, operands, stdout } = context;
    parseRepository(operands.repository);
    const tags = (operands.versions ?? []).map((version) => parseTyped(parseTag, version));
    return withTagPlace(context, operands.repository, async (place) => {
      if (tags.length === 0) {
        const lines = await planRetention(place);
        if (flags.json) for (const line of lines) writeJson(stdout, line);
        else stdout.write(formatRetention(lines));
        return 0;
      }
      const { ask, reference, name } = place;
      const body = { repository: reference.repository, tags };
      const outcome = await ask(
        { method: "POST", path: "/tags/plan", body, action: `plan a push to ${name}` },
        outcomeAnswer,
      );
      if (flags.json) writeJson(stdout, outcome);
      else stdout.write(formatOutcome(outcome) + outcome.notes.map((note) => `${note}\n`).join(""));
      return outcome.lines.some(({ action }) => action === "refuse") ? 1 : 0;
    });
  },
});

async function planRetention({ ask, reference, name }: TagPlace) {
  const { lines } = await ask(
    {
      method: "GET",
      path: "/tags/retention",
      query: { repository: reference.repository },
      action: `plan what ${name} keeps`,
    },
    retentionAnswer,
  );
  return lines;
}
