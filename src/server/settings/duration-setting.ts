import { z } from "zod";

const durationUnits: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A length of time such as `30s`, `15m`, `12h` or `7d`, as milliseconds. */
export const duration = z.string().transform((text, context): number => {
  const [, count, unit = ""] = /^(\d{1,5})([smhd])$/.exec(text) ?? [];
  const unitMs = durationUnits[unit];
  if (count !== undefined && unitMs !== undefined) return Number(count) * unitMs;
  context.addIssue({ code: "custom", message: "expected a duration, for example 15m or 12h" });
  return z.NEVER;
});
