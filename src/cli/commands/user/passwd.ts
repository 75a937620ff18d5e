import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { managementFlags, registryOperand, withManagement } from "../../management/management.ts";
import { writeJson } from "../../output/json.ts";
import { askSecret, readNewPassword } from "../../secrets.ts";

/** `berth user passwd`. */
export const userPasswd = defineCommand({
  operands: { registry: registryOperand, name: { value: "NAME", optional: true } },
  flags: {
    "password-stdin": {
      type: "switch",
      summary: "read it from standard input: of one's own, first the present one, each in a line",
    },
    ...managementFlags,
  },
  description: `Without a name, or with one's own, the present password is asked for too. Every login that was made with the old
password ends.`,
  run: (context) =>
    withManagement(context, async ({ ask, tell }) => {
      const { flags, operands, stdout } = context;
      const who = z.object({ name: z.string() });
      const me = await ask({ method: "GET", path: "/whoami", action: "ask who is logged in" }, who);
      const name = operands.name ?? me.name;
      const isOwn = name === me.name;
      const given =
        flags["password-stdin"] || !isOwn ? undefined : await askSecret("Present password: ", context);
      const text = await readNewPassword(context, flags["password-stdin"]);
      const [current, password = ""] = isOwn && flags["password-stdin"] ? text.split(/\r?\n/) : [given, text];
      await tell({
        method: "PUT",
        path: `/accounts/${encodeURIComponent(name)}/password`,
        body: { password, ...(isOwn && current !== undefined ? { current } : {}) },
        action: `change the password of ${name}`,
      });
      if (flags.json) writeJson(stdout, { name });
      else stdout.write(`Changed the password of ${name}${isOwn ? ": log in again" : ""}\n`);
      return 0;
    }),
});
