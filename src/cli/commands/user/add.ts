import { roles } from "../../../access/roles.ts";
import { defineCommand, UsageError } from "../../command.ts";
import { accountAnswer } from "../../management/account-answers.ts";
import { managementFlags, registryOperand, withManagement } from "../../management/management.ts";
import { writeJson } from "../../output/json.ts";
import { readNewPassword } from "../../secrets.ts";

/** `berth user add`. */
export const userAdd = defineCommand({
  operands: { registry: registryOperand, name: { value: "NAME" } },
  flags: {
    robot: { type: "switch", summary: "make a robot, which has no password but tokens" },
    "password-stdin": { type: "switch", summary: "read the password from standard input" },
    group: { type: "text", value: "GROUP", multiple: true, summary: "make it a member" },
    role: { type: "text", value: "ROLE", choices: roles, summary: "give it this role too" },
    on: { type: "text", value: "PATTERN", summary: "the repositories of the role, such as gallery/*" },
    ...managementFlags,
  },
  examples: [
    {
      line: "berth user add localhost:5000 alice --role writer --on 'gallery/*'",
      does: "asks for a password",
    },
    {
      line: "berth user add localhost:5000 ci --robot --role reader --on 'gallery/*'",
      does: "makes a robot",
    },
  ],
  run: (context) => {
    const { flags, operands, stdout } = context;
    const { role, on } = flags;
    if ((role === undefined) !== (on === undefined)) throw new UsageError("--role and --on need each other");
    if (flags.robot && flags["password-stdin"]) throw new UsageError("a robot has no password");
    return withManagement(context, async ({ ask, tell }) => {
      const password = flags.robot ? undefined : await readNewPassword(context, flags["password-stdin"]);
      const { name } = operands;
      const kind = flags.robot ? "robot" : "person";
      const account = await ask(
        {
          method: "POST",
          path: "/accounts",
          body: { name, kind, groups: flags.group, ...(password === undefined ? {} : { password }) },
          action: `make the account ${name}`,
        },
        accountAnswer,
      );
      if (role !== undefined) {
        const grant = { subject: name, role, repositories: on };
        const action = `give ${name} the role ${role} (the account is made)`;
        await tell({ method: "POST", path: "/grants", body: grant, action });
      }
      if (flags.json) writeJson(stdout, account);
      else stdout.write(`Made ${name}${role === undefined ? "" : `, ${role} on ${on}`}\n`);
      return 0;
    });
  },
});
