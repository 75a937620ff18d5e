import { roles } from "../../../access/roles.ts";
import { type Command, defineCommand } from "../../command.ts";
import { managementFlags, registryOperand, withManagement } from "../../management/management.ts";
import { writeJson } from "../../output/json.ts";

const operands = {
  registry: registryOperand,
  subject: { value: "WHO" },
  role: { value: "ROLE", choices: roles },
  repositories: { value: "PATTERN" },
} as const;
const description = `WHO is an account, group:NAME, or public for everybody. ROLE is reader (pull), writer (also push new tags), maintainer
(also move and delete tags) or administrator (also give roles). In PATTERN, * stands for one component of a
repository's name and ** for any number: quote it.`;

/** `berth role grant`. */
export const roleGrant: Command = defineCommand({
  operands,
  flags: managementFlags,
  description,
  examples: [
    { line: "berth role grant localhost:5000 alice writer 'gallery/*'", does: "lets alice push there" },
    { line: "berth role grant localhost:5000 public reader 'gallery/**'", does: "lets everybody pull there" },
  ],
  run: (context) =>
    withManagement(context, async ({ tell }) => {
      const { subject, role, repositories } = context.operands;
      const body = { subject, role, repositories };
      const action = `make ${subject} ${role} on ${repositories}`;
      await tell({ method: "POST", path: "/grants", body, action });
      if (context.flags.json) writeJson(context.stdout, body);
      else context.stdout.write(`${subject} is ${role} on ${repositories}\n`);
      return 0;
    }),
});

/** `berth role revoke`. */
export const roleRevoke: Command = defineCommand({
  operands,
  flags: managementFlags,
  description,
  run: (context) =>
    withManagement(context, async ({ tell }) => {
      const { subject, role, repositories } = context.operands;
      const query = { subject, role, repositories };
      const action = `take the role ${role} on ${repositories} from ${subject}`;
      await tell({ method: "DELETE", path: "/grants", query, action });
      if (context.flags.json) writeJson(context.stdout, query);
      else context.stdout.write(`${subject} is no longer ${role} on ${repositories}\n`);
      return 0;
    }),
});
