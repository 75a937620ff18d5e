import { createHash } from "node:crypto";
import type { AuditEntry, AuditMetadata } from "../store/metadata/audit.ts";

/** The fields of an entry in the order in which they are hashed. */
const fields = [
  "id",
  "at",
  "actor",
  "credential",
  "address",
  "action",
  "outcome",
  "repository",
  "subject",
  "digest",
  "detail",
] as const;

/**
 * The hash of an entry: SHA-256, in hexadecimal, over the JSON array of the hash before it and its fields, null for
 * those that it lacks. Whoever changes or removes an entry has to change every hash behind it.
 */
export function chainHash(previous: string, entry: AuditEntry & { readonly id: number }): string {
  const values = fields.map((field) => entry[field] ?? null);
  return createHash("sha256")
    .update(JSON.stringify([previous, ...values]))
    .digest("hex");
}

/** What the examination of the chain found. */
export type ChainReport =
  | { readonly whole: true; readonly entries: number; readonly last: string }
  | { readonly whole: false; readonly entries: number; readonly brokenAt: number; readonly why: string };

const atOnce = 1000;

/** Reads all of the record and computes every hash again. */
export async function verifyChain(audit: AuditMetadata): Promise<ChainReport> {
  let previous = await audit.anchor();
  let expected: number | undefined;
  let entries = 0;
  for (;;) {
    const records = await audit.read(expected ?? 0, atOnce);
    for (const record of records) {
      const broken = (why: string): ChainReport => ({ whole: false, entries, brokenAt: record.id, why });
      if (expected !== undefined && record.id !== expected) return broken(`entry ${expected} is missing`);
      if (chainHash(previous, record) !== record.hash)
        return broken("it does not continue the one before it");
      previous = record.hash;
      expected = record.id + 1;
      entries++;
    }
    if (records.length < atOnce) return { whole: true, entries, last: previous };
  }
}
