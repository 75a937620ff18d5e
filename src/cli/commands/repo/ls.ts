import { defineCommand } from "../../command.ts";
import { parseRegistry } from "../../operands.ts";
import { writeJson } from "../../output/json.ts";
import { allItems } from "../../pages.ts";
import { registryFlags, withRemotes } from "../../registries.ts";

/** `berth repo ls`. */
export const repoLs = defineCommand({
  operands: { registry: { value: "REGISTRY", completion: "registry" } },
  flags: { json: { type: "switch", summary: "print a JSON object for each" }, ...registryFlags },
  examples: [{ line: "berth repo ls localhost:5000", does: "names, each in a line" }],
  run: (context) =>
    withRemotes(context, async ({ client }) => {
      const { flags, operands, stdout, signal } = context;
      const registry = parseRegistry(operands.registry);
      const remote = client(registry);
      for await (const repository of allItems((page) => remote.listRepositories(page), signal)) {
        if (flags.json) writeJson(stdout, { registry, repository });
        else stdout.write(`${repository}\n`);
      }
      return 0;
    }),
});
