import { z } from "zod";
import { defineCommand } from "../command.ts";
import { describeLimits, limitsAnswer } from "../management/account-answers.ts";
import { managementFlags, registryOperand, withManagement } from "../management/management.ts";
import { writeJson } from "../output/json.ts";

const answer = z.object({
  name: z.string(),
  kind: z.string(),
  credential: z.string(),
  administrator: z.boolean(),
  grants: z.array(z.object({ role: z.string(), repositories: z.string() })),
  limits: limitsAnswer.optional(),
});

/** `berth whoami`. */
export const whoami = defineCommand({
  operands: { registry: registryOperand },
  flags: managementFlags,
  examples: [
    { line: "berth whoami registry.example.com", does: "who is logged in there, and what they may do" },
  ],
  run: (context) =>
    withManagement(context, async ({ ask }) => {
      const me = await ask({ method: "GET", path: "/whoami", action: "ask who is logged in" }, answer);
      if (context.flags.json) writeJson(context.stdout, me);
      else context.stdout.write(describe(me));
      return 0;
    }),
});

function describe({ name, kind, credential, grants, limits }: z.infer<typeof answer>): string {
  const roles = grants.map(({ role, repositories }) => `  ${role} on ${repositories}\n`).join("");
  const only = limits ? `The credential is only for: ${describeLimits(limits)}\n` : "";
  return `${name} (${kind}, by ${credential})\n${roles || "  no role on any repository\n"}${only}`;
}
