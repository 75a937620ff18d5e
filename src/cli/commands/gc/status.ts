import { defineCommand } from "../../command.ts";
import { statusAnswer } from "../../management/collection-answers.ts";
import { managementFlags, registryOperand, withManagement } from "../../management/management.ts";
import { formatStatus } from "../../output/collections.ts";
import { writeJson } from "../../output/json.ts";

/** `berth gc status`. */
export const gcStatus = defineCommand({
  operands: { registry: registryOperand },
  flags: managementFlags,
  description: `What is deleted can be brought back for some time (berth tags undelete); then the server removes it by itself, beside
requests. This shows what waits for that, and what the latest runs gave back.`,
  run: (context) =>
    withManagement(context, async ({ ask }) => {
      const { flags, stdout } = context;
      const status = await ask({ method: "GET", path: "/gc", action: "tell what waits" }, statusAnswer);
      if (flags.json) writeJson(stdout, status);
      else stdout.write(formatStatus(status, Date.now()));
      return 0;
    }),
});
