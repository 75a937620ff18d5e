import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { parseMoment } from "../../durations.ts";
import { managementFlags, registryOperand, withManagement } from "../../management/management.ts";
import { writeJson } from "../../output/json.ts";
import { formatTable } from "../../output/tables.ts";

const entry = z.object({
  id: z.number(),
  at: z.string(),
  actor: z.string(),
  credential: z.string(),
  address: z.string(),
  action: z.string(),
  outcome: z.string(),
  repository: z.string().optional(),
  subject: z.string().optional(),
  digest: z.string().optional(),
  detail: z.string().optional(),
  hash: z.string(),
});
const answer = z.object({ entries: z.array(entry), next: z.number().optional() });

/** `berth audit`. */
export const auditLs = defineCommand({
  operands: { registry: registryOperand },
  flags: {
    actor: { type: "text", value: "NAME", summary: "only what this account did" },
    action: {
      type: "text",
      value: "ACTION",
      summary: "only this: push, pull, delete, login, account.create ...",
    },
    repository: { type: "text", value: "NAME", summary: "only what concerns this repository" },
    outcome: {
      type: "text",
      value: "OUTCOME",
      choices: ["done", "refused"],
      summary: "only what was done, or refused",
    },
    since: { type: "text", value: "TIME", summary: "from then on: 2026-11-25, or 7d for seven days ago" },
    until: { type: "text", value: "TIME", summary: "before then" },
    limit: {
      type: "number",
      value: "N",
      summary: "at most so many, the newest",
      otherwise: "100; 0 for all",
    },
    ...managementFlags,
  },
  description: `Entries are printed newest first. With --json and --limit 0 this is an export: each entry with the hash that chains it
to the one before, which "berth audit verify" computes again.`,
  examples: [
    {
      line: "berth audit localhost:5000 --outcome refused --since 1d",
      does: "what was refused since yesterday",
    },
    {
      line: "berth audit localhost:5000 --json --limit 0 > audit.jsonl",
      does: "everything, one JSON object a line",
    },
  ],
  run: (context) =>
    withManagement(context, async ({ ask }) => {
      const { flags, stdout } = context;
      const { actor, action, repository, outcome } = flags;
      const time = (text: string | undefined) => text && parseMoment(text).toISOString();
      const filter = {
        actor,
        action,
        repository,
        outcome,
        since: time(flags.since),
        until: time(flags.until),
      };
      const limit = flags.limit === 0 ? Number.POSITIVE_INFINITY : (flags.limit ?? 100);
      const rows: string[][] = [];
      let left = limit;
      let last: number | undefined;
      do {
        const query = { ...filter, n: Math.min(1000, left), last };
        const page = await ask({ method: "GET", path: "/audit", query, action: "read the record" }, answer);
        for (const one of page.entries) {
          if (flags.json) writeJson(stdout, one);
          else rows.push(toRow(one));
        }
        left -= page.entries.length;
        last = page.next;
      } while (last !== undefined && left > 0);
      if (!flags.json)
        stdout.write(formatTable(["WHEN", "WHO", "BY", "WHAT", "OUTCOME", "ON", "FROM", "WHY"], rows));
      return 0;
    }),
});

/** Of a digest, its algorithm and the digits by which people tell images apart. */
const digestWidth = "sha256:".length + 12;

function toRow(one: z.infer<typeof entry>): string[] {
  const { at, actor, credential, action, outcome, repository, subject, digest, address, detail = "" } = one;
  const what = subject ? `:${subject}` : digest ? `@${digest.slice(0, digestWidth)}` : "";
  const on = repository === undefined ? (subject ?? "") : `${repository}${what}`;
  return [at.slice(0, 19).replace("T", " "), actor, credential, action, outcome, on, address, detail];
}
