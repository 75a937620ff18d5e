import { familiarName } from "../../../oci/references.ts";
import { defineCommand } from "../../command.ts";
import { parseRepository } from "../../operands.ts";
import { writeJson } from "../../output/json.ts";
import { allItems } from "../../pages.ts";
import { registryFlags, withRemotes } from "../../registries.ts";

/** `berth tags ls`. */
export const tagsLs = defineCommand({
  operands: { repository: { value: "REPOSITORY", completion: "reference" } },
  flags: { json: { type: "switch", summary: "print a JSON object for each" }, ...registryFlags },
  run: (context) =>
    withRemotes(context, async ({ client }) => {
      const { flags, operands, stdout, signal } = context;
      const reference = parseRepository(operands.repository);
      const { registry, repository } = reference;
      const remote = client(registry, { repository });
      for await (const tag of allItems((page) => remote.listTags(repository, page), signal)) {
        if (flags.json) writeJson(stdout, { repository: familiarName(reference), tag });
        else stdout.write(`${tag}\n`);
      }
      return 0;
    }),
});
