import { z } from "zod";
import { defineCommand, UsageError } from "../../command.ts";
import { parseDuration } from "../../durations.ts";
import { managementFlags, registryOperand, withManagement } from "../../management/management.ts";
import { writeJson } from "../../output/json.ts";
import { tokensPath } from "./paths.ts";

/** `berth token create`. */
export const tokenCreate = defineCommand({
  operands: { registry: registryOperand, owner: { value: "OWNER", optional: true } },
  flags: {
    name: { type: "text", value: "NAME", summary: "what it is for, such as the machine that uses it" },
    on: {
      type: "text",
      value: "PATTERN",
      multiple: true,
      summary: "only for these repositories, such as gallery/*",
    },
    actions: {
      type: "text",
      value: "ACTIONS",
      summary: "only to do this: pull, push, overwrite, delete, with commas",
      otherwise: "all of its owner, or pull with --on",
    },
    expires: {
      type: "text",
      value: "DURATION",
      summary: "ends after so long, such as 90d",
      otherwise: "never",
    },
    ...managementFlags,
  },
  description: `OWNER is a robot or oneself, who is logged in, if absent. The token is printed once, alone on standard output; it is
used as the password of its owner.`,
  examples: [
    {
      line: "berth token create localhost:5000 ci --on 'gallery/*' --actions pull --expires 90d",
      does: "prints a token with which the robot ci can pull",
    },
  ],
  run: (context) => {
    const { flags, stdout, stderr } = context;
    if (flags.actions !== undefined && flags.on.length === 0) throw new UsageError("--actions needs --on");
    const actions = (flags.actions ?? "pull").split(",");
    const limits = flags.on.map((repositories) => ({ repositories, actions }));
    const expiresAt =
      flags.expires === undefined ? undefined : new Date(Date.now() + parseDuration(flags.expires));
    return withManagement(context, async (management) => {
      const { owner, path } = await tokensPath(management, context.operands.owner);
      const made = await management.ask(
        {
          method: "POST",
          path,
          body: {
            name: flags.name ?? "made with berth token create",
            ...(limits.length > 0 ? { limits } : {}),
            ...(expiresAt ? { expiresAt: expiresAt.toISOString() } : {}),
          },
          action: `make a token for ${owner}`,
        },
        z.object({ id: z.string(), secret: z.string() }),
      );
      if (flags.json) writeJson(stdout, { owner, ...made });
      else {
        stderr.write(`Token ${made.id} of ${owner}. It is not shown again:\n`);
        stdout.write(`${made.secret}\n`);
      }
      return 0;
    });
  },
});
