import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { accountAnswer } from "../../management/account-answers.ts";
import { managementFlags, registryOperand, withManagement } from "../../management/management.ts";
import { writeJson } from "../../output/json.ts";
import { formatTable } from "../../output/tables.ts";
import { allItems } from "../../pages.ts";

const answer = z.object({ accounts: z.array(accountAnswer), next: z.string().optional() });

/** `berth user ls`. */
export const userLs = defineCommand({
  operands: { registry: registryOperand },
  flags: managementFlags,
  run: (context) =>
    withManagement(context, async ({ ask }) => {
      const { flags, stdout, signal } = context;
      const rows: string[][] = [];
      const list = async ({ after }: { readonly after?: string }) => {
        const query = { n: 1000, last: after };
        const page = await ask({ method: "GET", path: "/accounts", query, action: "list accounts" }, answer);
        return { items: page.accounts, ...(page.next === undefined ? {} : { next: page.next }) };
      };
      for await (const account of allItems(list, signal)) {
        const { name, kind, source, disabled, groups } = account;
        if (flags.json) writeJson(stdout, account);
        else rows.push([name, kind, source, disabled ? "disabled" : "active", groups.join(",")]);
      }
      if (!flags.json) stdout.write(formatTable(["NAME", "KIND", "SOURCE", "STATE", "GROUPS"], rows));
      return 0;
    }),
});
