import { eraseLogin, type LoginPlace } from "../../client/docker-credentials.ts";
import { defineCommand } from "../command.ts";
import { parseRegistry } from "../locations/operands.ts";
import { loginOptions } from "../locations/registries.ts";
import { writeJson } from "../output/json.ts";
import { printWarning } from "../output/messages.ts";

/** `berth logout`. */
export const logout = defineCommand({
  operands: { server: { value: "SERVER", optional: true, completion: "registry" } },
  flags: { json: { type: "switch", summary: "print the result as JSON" } },
  description: "SERVER is docker.io if absent.",
  async run(context) {
    const { flags, operands, stdout } = context;
    const { registry } = parseRegistry(operands.server);
    const { erased, remaining } = await eraseLogin(registry, loginOptions(context));
    if (flags.json) writeJson(stdout, { registry, erased, remaining });
    else if (erased.length > 0) stdout.write(`Removing login credentials for ${registry}\n`);
    else stdout.write(`Not logged in to ${registry}\n`);
    for (const place of remaining) {
      printWarning(
        context,
        `${describePlace(place)} still has a login to ${registry}, which is used from now on`,
      );
    }
    return 0;
  },
});

function describePlace({ file, helper }: LoginPlace): string {
  return helper ? `the credential helper ${helper}, named in ${file},` : file;
}
