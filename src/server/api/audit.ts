import { z } from "zod";
import { requireAdministrator } from "../../access/asker.ts";
import { verifyChain } from "../../access/audit-chain.ts";
import type { AuditRecord } from "../../store/metadata/audit.ts";
import type { Administration } from "../access/access.ts";
import { askerOf, login } from "./accounts.ts";
import { type Operation, operation } from "./operations.ts";

const time = z.iso
  .datetime()
  .transform((text) => Date.parse(text))
  .optional();
const record = z.object({
  id: z.number().int(),
  at: z.string(),
  actor: z.string(),
  credential: z.string(),
  address: z.string(),
  action: z.string(),
  outcome: z.enum(["done", "refused"]),
  repository: z.string().optional(),
  subject: z.string().optional(),
  digest: z.string().optional(),
  detail: z.string().optional(),
  hash: z.string(),
});

/** The record of who did what. */
export function createAuditOperations(administration: () => Administration): readonly Operation[] {
  return [
    operation({
      method: "GET",
      path: "/audit",
      summary: "Lists what was done and refused, the newest first",
      query: z.strictObject({
        actor: z.string().optional(),
        action: z.string().optional(),
        repository: z.string().optional(),
        outcome: z.enum(["done", "refused"]).optional(),
        since: time.describe("Inclusive"),
        until: time.describe("Exclusive"),
        n: z.coerce.number().int().min(1).max(1000).default(100).describe("The most entries"),
        last: z.coerce
          .number()
          .int()
          .optional()
          .describe("Older than this entry: the next of the page before"),
      }),
      response: z.object({ entries: z.array(record), next: z.number().int().optional() }),
      need: login,
      async run({ query: { n, last, ...filter } }, call) {
        requireAdministrator(askerOf(call), "read the record");
        const rows = await administration().audit.list(present(filter), last, n);
        const oldest = rows.length === n ? rows.at(-1)?.id : undefined;
        return { entries: rows.map(shown), ...(oldest === undefined ? {} : { next: oldest }) };
      },
    }),
    operation({
      method: "GET",
      path: "/audit/verification",
      summary: "Computes the hash of every entry again and says whether one was changed or is missing",
      response: z.object({
        whole: z.boolean(),
        entries: z.number().int(),
        last: z
          .string()
          .optional()
          .describe("The hash of the last entry: keep it elsewhere to compare later"),
        brokenAt: z.number().int().optional(),
        why: z.string().optional(),
      }),
      need: login,
      async run(_input, call) {
        requireAdministrator(askerOf(call), "verify the record");
        return verifyChain(administration().audit);
      },
    }),
  ];
}

function shown({ at, ...rest }: AuditRecord): z.infer<typeof record> {
  return { at: new Date(at).toISOString(), ...rest };
}

/** Leaves out what is undefined. */
function present<T extends object>(filter: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const given = Object.entries(filter).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [K in keyof T]?: NonNullable<T[K]> }; // safe: just filtered
}
