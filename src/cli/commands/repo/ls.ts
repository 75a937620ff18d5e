import { dockerCredentials } from "../../../client/docker-credentials.ts";
import { defineCommand } from "../../command.ts";
import { parseRegistry } from "../../locations/operands.ts";
import { loginOptions, registryFlags, withRemotes } from "../../locations/registries.ts";
import { writeJson } from "../../output/json.ts";
import { printWarning } from "../../output/messages.ts";
import { allItems } from "../../pages.ts";

/** `berth repo ls`. */
export const repoLs = defineCommand({
  operands: { registry: { value: "REGISTRY", completion: "registry" } },
  flags: { json: { type: "switch", summary: "print a JSON object for each" }, ...registryFlags },
  examples: [{ line: "berth repo ls localhost:5000", does: "names, each in a line" }],
  run: (context) =>
    withRemotes(context, async ({ client }) => {
      const { flags, operands, stdout, signal } = context;
      const { registry, ...typed } = parseRegistry(operands.registry);
      const kept = dockerCredentials(loginOptions(context));
      let wantsLogin = false;
      const remote = client(registry, {
        ...typed,
        async credentials(name) {
          const found = await kept(name);
          wantsLogin = found === undefined;
          return found;
        },
      });
      let isEmpty = true;
      for await (const repository of allItems((page) => remote.listRepositories(page), signal)) {
        isEmpty = false;
        if (flags.json) writeJson(stdout, { registry, repository });
        else stdout.write(`${repository}\n`);
      }
      if (isEmpty && wantsLogin) {
        printWarning(context, `${registry} shows nothing without a login: berth login ${registry}`);
      }
      return 0;
    }),
});
