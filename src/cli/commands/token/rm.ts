import { defineCommand } from "../../command.ts";
import { managementFlags, registryOperand, withManagement } from "../../management/management.ts";
import { writeJson } from "../../output/json.ts";
import { tokensPath } from "./paths.ts";

/** `berth token rm`. */
export const tokenRm = defineCommand({
  operands: { registry: registryOperand, id: { value: "ID", shownBy: "berth token ls" } },
  flags: {
    owner: { type: "text", value: "OWNER", summary: "whose it is", otherwise: "who is logged in" },
    ...managementFlags,
  },
  description:
    "The token ends within a second, also what was logged in with it. Its ID is what berth token ls shows.",
  examples: [
    {
      line: "berth token rm localhost:5000 5f2c1a9b7e04 --owner ci",
      does: "revokes a token of the robot ci",
    },
  ],
  run: (context) =>
    withManagement(context, async (management) => {
      const { flags, operands, stdout } = context;
      const { owner, path } = await tokensPath(management, flags.owner);
      const { id } = operands;
      const action = `revoke the token ${id} of ${owner}`;
      await management.tell({ method: "DELETE", path: `${path}/${encodeURIComponent(id)}`, action });
      if (flags.json) writeJson(stdout, { revoked: id, owner });
      else stdout.write(`Revoked ${id} of ${owner}\n`);
      return 0;
    }),
});
