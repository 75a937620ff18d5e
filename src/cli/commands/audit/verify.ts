import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { managementFlags, registryOperand, withManagement } from "../../management/management.ts";
import { writeJson } from "../../output/json.ts";

const answer = z.object({
  whole: z.boolean(),
  entries: z.number(),
  last: z.string().optional(),
  brokenAt: z.number().optional(),
  why: z.string().optional(),
});

/** `berth audit verify`. */
export const auditVerify = defineCommand({
  operands: { registry: registryOperand },
  flags: managementFlags,
  description: `Exit code 1 when an entry was changed or is missing. That the last ones are missing shows only by comparing the hash
that is printed with one that was kept elsewhere.`,
  run: (context) =>
    withManagement(context, async ({ ask }) => {
      const { flags, stdout } = context;
      const report = await ask(
        { method: "GET", path: "/audit/verification", action: "verify the record" },
        answer,
      );
      const { whole, entries, last = "none", brokenAt, why } = report;
      if (flags.json) writeJson(stdout, report);
      else if (whole)
        stdout.write(`The record is whole: ${entries} entries, the last with the hash ${last}\n`);
      else stdout.write(`The record is broken at entry ${brokenAt}, behind ${entries} whole ones: ${why}\n`);
      return whole ? 0 : 1;
    }),
});
