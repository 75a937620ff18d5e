import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { defineCommand, UsageError } from "../../command.ts";
import { managementFlags, registryOperand, withManagement } from "../../management/management.ts";
import { rulesAnswer } from "../../management/tag-answers.ts";
import { writeJson } from "../../output/json.ts";

/** `berth tags rules`. */
export const tagsRules = defineCommand({
  operands: { registry: registryOperand },
  flags: {
    set: {
      type: "text",
      value: "FILE",
      summary: "replace the stored rules with those of a YAML file, as `tags:` of the settings has them",
      completion: "file",
    },
    ...managementFlags,
  },
  description: `The rules for tags, in their order: the first that matches a repository decides. Those of the settings file come first and
are changed there; the stored ones here.`,
  run: (context) =>
    withManagement(context, async ({ ask, registry }) => {
      const { flags, stdout, stderr, cwd } = context;
      const action = `read the rules of ${registry}`;
      let answer = await ask({ method: "GET", path: "/tags/rules", action }, rulesAnswer);
      if (flags.set !== undefined) {
        const rules = rulesIn(await readFile(resolve(cwd, flags.set), "utf8"), flags.set);
        const body = { version: answer.version, rules };
        answer = await ask(
          { method: "PUT", path: "/tags/rules", body, action: `replace the rules of ${registry}` },
          rulesAnswer,
        );
      }
      for (const note of answer.notes) stderr.write(`berth: ${note}\n`);
      if (flags.json) for (const rule of answer.rules) writeJson(stdout, rule);
      else {
        for (const { source, number, rule } of answer.rules) {
          stdout.write(`# ${source} ${number}\n${Bun.YAML.stringify([rule], null, 2)}\n`);
        }
      }
      return 0;
    }),
});

/** A list of rules; alone, or below `tags` as in the settings. The server checks them. */
function rulesIn(text: string, file: string): readonly unknown[] {
  const value: unknown = Bun.YAML.parse(text);
  const list = typeof value === "object" && value !== null && "tags" in value ? value.tags : value;
  if (Array.isArray(list)) return list;
  throw new UsageError(`${file} has no list of rules: expected what stands below tags in the settings`);
}
