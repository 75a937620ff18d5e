import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { managementFlags, registryOperand, withManagement } from "../../management/management.ts";
import { writeJson } from "../../output/json.ts";
import { describeFault, formatVerifications } from "../../output/verification.ts";

const counts = z.object({
  ...{ manifests: z.number(), tags: z.number(), links: z.number(), blobs: z.number(), bytes: z.number() },
  ...{ files: z.number(), faults: z.number(), mended: z.number() },
});
const statusAnswer = z.object({
  lostBlobs: z.number(),
  verifications: z.array(
    z.object({
      ...{ id: z.number(), by: z.string(), stage: z.string(), counts },
      ...{ startedAt: z.string(), updatedAt: z.string(), finishedAt: z.string().optional() },
    }),
  ),
});

const faultsAnswer = z.object({
  faults: z.array(
    z.object({
      ...{ kind: z.string(), subject: z.string(), repository: z.string().optional(), detail: z.string() },
      mended: z.string().optional(),
    }),
  ),
});

/** `berth verify status`. */
export const verifyStatus = defineCommand({
  operands: { registry: registryOperand },
  flags: {
    faults: { type: "number", value: "ID", summary: "what this verification found wrong" },
    ...managementFlags,
  },
  description: `What the server has found when it read the whole store, which it does by itself every 30 days (the setting verify), and
what berth verify has found beside it. Exit code 1 when blobs are lost.`,
  run: (context) =>
    withManagement(context, async ({ ask }) => {
      const { flags, stdout } = context;
      const action = "tell what verifications found";
      if (flags.faults !== undefined) {
        const path = `/verifications/${flags.faults}/faults` as const;
        const { faults } = await ask({ method: "GET", path, action }, faultsAnswer);
        if (flags.json) for (const fault of faults) writeJson(stdout, fault);
        else stdout.write(faults.map((fault) => `${describeFault(fault)}\n`).join(""));
        return 0;
      }
      const status = await ask({ method: "GET", path: "/verifications", action }, statusAnswer);
      if (flags.json) writeJson(stdout, status);
      else stdout.write(formatVerifications(status, Date.now()));
      return status.lostBlobs > 0 ? 1 : 0;
    }),
});
