import { defineCommand } from "../../command.ts";
import { parseDuration } from "../../durations.ts";
import { planAnswer, statusAnswer } from "../../management/collection-answers.ts";
import { followRun } from "../../management/collection-runs.ts";
import { managementFlags, registryOperand, withManagement } from "../../management/management.ts";
import { formatLeft, formatPlan, formatRun } from "../../output/collections.ts";
import { writeJson } from "../../output/json.ts";

/** `berth gc run`. */
export const gcRun = defineCommand({
  operands: { registry: registryOperand },
  flags: {
    "dry-run": { type: "switch", summary: "only print what would be removed" },
    grace: {
      type: "text",
      value: "DURATION",
      summary: "remove for good what was deleted longer ago than this, such as 0s or 2h",
      otherwise: "as the server is set",
    },
    ...managementFlags,
  },
  description: `The server does this by itself; a run that is asked for begins at once, and pushes and pulls go on beside it. What
somebody was told to exist a short while ago stays, whatever the grace time is. Interrupting this command does not stop
the run.`,
  examples: [
    { line: "berth gc run localhost:5000 --dry-run", does: "what would go now" },
    { line: "berth gc run localhost:5000 --grace 0s", does: "also what was deleted a moment ago" },
  ],
  run: (context) =>
    withManagement(context, async (management) => {
      const { flags, stdout, stderr } = context;
      const graceSeconds = flags.grace === undefined ? undefined : parseDuration(flags.grace) / 1000;
      if (flags["dry-run"]) {
        const action = "plan a collection";
        const request = { method: "GET", path: "/gc/plan", query: { graceSeconds }, action } as const;
        const plan = await management.ask(request, planAnswer);
        if (flags.json) writeJson(stdout, plan);
        else stdout.write(formatPlan(plan));
        return 0;
      }
      const run = await followRun(management, graceSeconds, context);
      if (flags.json) writeJson(stdout, run);
      else {
        const left = await management.ask(
          { method: "GET", path: "/gc", action: "tell what waits" },
          statusAnswer,
        );
        stdout.write(`${formatRun(run)}${run.outcome === "done" ? formatLeft(left, Date.now()) : ""}`);
      }
      if (run.outcome === "done") return 0;
      stderr.write(`berth: the run is not whole (${run.outcome}): berth gc status shows what holds it up\n`);
      return 1;
    }),
});
