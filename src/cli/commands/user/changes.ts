import { type Command, defineCommand } from "../../command.ts";
import { accountAnswer } from "../../management/account-answers.ts";
import { managementFlags, registryOperand, withManagement } from "../../management/management.ts";
import { writeJson } from "../../output/json.ts";

/** `berth user disable`: what it was logged in with ends, its roles stay. */
export const userDisable = defineChange("disable", "Disabled", { disabled: true });

/** `berth user enable`. */
export const userEnable = defineChange("enable", "Enabled", { disabled: false });

function defineChange(verb: string, done: string, body: { readonly disabled: boolean }): Command {
  return defineCommand({
    operands: { registry: registryOperand, name: { value: "NAME" } },
    flags: managementFlags,
    run: (context) =>
      withManagement(context, async ({ ask }) => {
        const { name } = context.operands;
        const path = `/accounts/${encodeURIComponent(name)}` as const;
        const account = await ask({ method: "PUT", path, body, action: `${verb} ${name}` }, accountAnswer);
        if (context.flags.json) writeJson(context.stdout, account);
        else context.stdout.write(`${done} ${name}\n`);
        return 0;
      }),
  });
}

/** `berth user groups`. */
export const userGroups = defineCommand({
  operands: {
    registry: registryOperand,
    name: { value: "NAME" },
    groups: { value: "GROUP", optional: true, multiple: true },
  },
  flags: managementFlags,
  description: "Makes it a member of just these groups; of none when none is given.",
  run: (context) =>
    withManagement(context, async ({ ask }) => {
      const { name, groups } = context.operands;
      const path = `/accounts/${encodeURIComponent(name)}` as const;
      const body = { groups };
      const account = await ask(
        { method: "PUT", path, body, action: `change the groups of ${name}` },
        accountAnswer,
      );
      if (context.flags.json) writeJson(context.stdout, account);
      else context.stdout.write(`${name} is in ${account.groups.join(", ") || "no group"}\n`);
      return 0;
    }),
});

/** `berth user rm`. */
export const userRm = defineCommand({
  operands: { registry: registryOperand, name: { value: "NAME" } },
  flags: managementFlags,
  description: "Its roles and tokens go with it. What it pushed stays.",
  run: (context) =>
    withManagement(context, async ({ tell }) => {
      const { name } = context.operands;
      await tell({
        method: "DELETE",
        path: `/accounts/${encodeURIComponent(name)}`,
        action: `remove the account ${name}`,
      });
      if (context.flags.json) writeJson(context.stdout, { removed: name });
      else context.stdout.write(`Removed ${name}\n`);
      return 0;
    }),
});
