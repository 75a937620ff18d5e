import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { managementFlags, registryOperand, withManagement } from "../../management/management.ts";
import { writeJson } from "../../output/json.ts";
import { formatTable } from "../../output/tables.ts";

const answer = z.object({
  grants: z.array(
    z.object({ subject: z.string(), role: z.string(), repositories: z.string(), createdAt: z.string() }),
  ),
});

/** `berth role ls`. */
export const roleLs = defineCommand({
  operands: { registry: registryOperand },
  flags: managementFlags,
  run: (context) =>
    withManagement(context, async ({ ask }) => {
      const { flags, stdout } = context;
      const { grants } = await ask({ method: "GET", path: "/grants", action: "list roles" }, answer);
      const rows = grants.map(({ subject, role, repositories }) => [subject, role, repositories]);
      if (flags.json) for (const grant of grants) writeJson(stdout, grant);
      else stdout.write(formatTable(["WHO", "ROLE", "REPOSITORIES"], rows));
      return 0;
    }),
});
