import { isRegistryError } from "../../../oci/errors.ts";
import { defineCommand } from "../../command.ts";
import { parseRepository } from "../../locations/operands.ts";
import { managementFlags } from "../../management/management.ts";
import { type ListedTag, tagsAnswer } from "../../management/tag-answers.ts";
import { type TagPlace, withTagPlace } from "../../management/tags.ts";
import { writeJson } from "../../output/json.ts";
import { formatTagTree } from "../../output/tags/tables.ts";
import { allItems } from "../../pages.ts";

/** `berth tags ls`. */
export const tagsLs = defineCommand({
  operands: { repository: { value: "REPOSITORY", completion: "reference" } },
  flags: {
    quiet: { type: "switch", short: "q", summary: "print the tags alone, each in a line" },
    ...managementFlags,
  },
  description: `Of a Berth, it shows tags as a tree, 2 above 2.1 above 2.1.3, with what they point at and which of them are the
same image; of another registry, their names.`,
  run: (context) => {
    parseRepository(context.operands.repository);
    return withTagPlace(context, context.operands.repository, async (place) => {
      const { flags, stdout, signal } = context;
      const { client, name, reference } = place;
      const listed = flags.quiet ? undefined : await listFromBerth(place);
      if (listed) {
        if (flags.json) for (const tag of listed) writeJson(stdout, { repository: name, ...tag });
        else stdout.write(formatTagTree(listed, Date.now()));
        return 0;
      }
      for await (const tag of allItems((page) => client.listTags(reference.repository, page), signal)) {
        if (flags.json) writeJson(stdout, { repository: name, tag });
        else stdout.write(`${tag}\n`);
      }
      return 0;
    });
  },
});

/** Tags with all that a Berth knows of them; undefined when the registry is none. */
async function listFromBerth({ ask, reference, name }: TagPlace): Promise<readonly ListedTag[] | undefined> {
  const tags: ListedTag[] = [];
  let last: string | undefined;
  try {
    do {
      const query = { repository: reference.repository, n: 500, last };
      const page = await ask(
        { method: "GET", path: "/tags", query, action: `list tags of ${name}` },
        tagsAnswer,
      );
      tags.push(...page.tags);
      last = page.next;
    } while (last !== undefined);
    return tags;
  } catch (error) {
    if (isRegistryError(error, "UNSUPPORTED")) return undefined;
    throw error;
  }
}
