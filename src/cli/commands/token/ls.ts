import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { describeLimits, limitsAnswer } from "../../management/account-answers.ts";
import { managementFlags, registryOperand, withManagement } from "../../management/management.ts";
import { writeJson } from "../../output/json.ts";
import { formatTable } from "../../output/tables.ts";
import { formatAge } from "../../output/units.ts";
import { tokensPath } from "./paths.ts";

const answer = z.object({
  tokens: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      limits: limitsAnswer.optional(),
      createdAt: z.string(),
      expiresAt: z.string().optional(),
      lastUsedAt: z.string().optional(),
    }),
  ),
});

/** `berth token ls`. */
export const tokenLs = defineCommand({
  operands: { registry: registryOperand, owner: { value: "OWNER", optional: true } },
  flags: managementFlags,
  run: (context) =>
    withManagement(context, async (management) => {
      const { flags, stdout, operands } = context;
      const { owner, path } = await tokensPath(management, operands.owner);
      const { tokens } = await management.ask(
        { method: "GET", path, action: `list the tokens of ${owner}` },
        answer,
      );
      if (flags.json) for (const token of tokens) writeJson(stdout, token);
      else stdout.write(formatTable(["ID", "NAME", "CREATED", "USED", "EXPIRES", "FOR"], tokens.map(toRow)));
      return 0;
    }),
});

function toRow(token: z.infer<typeof answer>["tokens"][number]): string[] {
  const { id, name, createdAt, expiresAt, lastUsedAt, limits } = token;
  const age = (time: string) => formatAge(Date.now() - Date.parse(time));
  const used = lastUsedAt === undefined ? "never" : age(lastUsedAt);
  return [id, name, age(createdAt), used, expiresAt?.slice(0, 10) ?? "never", describeLimits(limits)];
}
