import { parseDigest } from "../../../oci/digests.ts";
import { defineCommand, parseTyped } from "../../command.ts";
import { whyAnswer } from "../../management/collection-answers.ts";
import { managementFlags, registryOperand, withManagement } from "../../management/management.ts";
import { formatWhy } from "../../output/collections.ts";
import { writeJson } from "../../output/json.ts";

/** `berth gc why`. */
export const gcWhy = defineCommand({
  operands: { registry: registryOperand, digest: { value: "DIGEST" } },
  flags: managementFlags,
  description: "Exit code 1 when the registry has neither a manifest nor a blob of this digest.",
  examples: [
    {
      line: "berth gc why localhost:5000 $(berth digest localhost:5000/team/ui:1.0)",
      does: "what keeps this image",
    },
  ],
  run: (context) =>
    withManagement(context, async ({ ask }) => {
      const { flags, operands, stdout } = context;
      const digest = parseTyped(parseDigest, operands.digest);
      const answer = await ask(
        { method: "GET", path: `/gc/objects/${digest}`, action: `tell what keeps ${digest}` },
        whyAnswer,
      );
      if (flags.json) for (const object of answer.objects) writeJson(stdout, object);
      else stdout.write(formatWhy(answer));
      return answer.objects.every(({ state }) => state === "unknown") ? 1 : 0;
    }),
});
