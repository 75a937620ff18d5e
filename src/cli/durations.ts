import { quote } from "../oci/errors.ts";
import { UsageError } from "./command.ts";

const units: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Milliseconds of a duration as people write it: `90d`, `12h`, `30m`. @throws UsageError */
export function parseDuration(text: string): number {
  const [, count, unit = ""] = /^(\d{1,6})([smhdw])$/.exec(text) ?? [];
  const unitMs = units[unit];
  if (count === undefined || unitMs === undefined) {
    throw new UsageError(`invalid duration ${quote(text)}: expected for example 90d, 12h or 30m`);
  }
  return Number(count) * unitMs;
}

/** A moment: RFC 3339, a day, or a duration back from now. @throws UsageError */
export function parseMoment(text: string, now = Date.now()): Date {
  if (/^\d+[smhdw]$/.test(text)) return new Date(now - parseDuration(text));
  const moment = new Date(text);
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(moment.getTime())) return moment;
  throw new UsageError(
    `invalid time ${quote(text)}: expected for example 2026-11-25, 2026-11-25T09:00:00Z, or 7d for seven days ago`,
  );
}
