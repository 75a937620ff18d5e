import type { AuditEntry } from "../store/metadata/audit.ts";

/** Keeps who is refused again and again from filling the record. */
export interface RefusalFloods {
  /** Whether a refusal is recorded as it is; else it is counted. */
  admits(entry: AuditEntry): boolean;
  /** Entries that tell how many were counted, for those whose minute is over; for all when `atEnd`. */
  summaries(atEnd: boolean): readonly AuditEntry[];
}

interface Window {
  readonly startedAt: number;
  recorded: number;
  counted: number;
  last: AuditEntry;
}

/** So many refusals of one caller or address a minute are recorded each for itself. */
const mostPerMinute = 60;
const windowMs = 60_000;
/** The most callers that are told apart at once; those beyond share a window. */
const mostWindows = 10_000;

export function createRefusalFloods(now: () => number = Date.now): RefusalFloods {
  const windows = new Map<string, Window>();
  const keyOf = ({ actor, address }: AuditEntry): string => {
    const key = `${actor} ${address}`;
    return windows.has(key) || windows.size < mostWindows ? key : "others";
  };
  return {
    admits(entry) {
      const key = keyOf(entry);
      const window = windows.get(key) ?? { startedAt: now(), recorded: 0, counted: 0, last: entry };
      windows.set(key, window);
      window.last = entry;
      if (window.recorded < mostPerMinute) {
        window.recorded++;
        return true;
      }
      window.counted++;
      return false;
    },
    summaries(atEnd) {
      const found: AuditEntry[] = [];
      for (const [key, { startedAt, counted, last }] of windows) {
        if (!atEnd && now() - startedAt < windowMs) continue;
        windows.delete(key);
        if (counted === 0) continue;
        const { actor, credential, address, action } = last;
        const detail = `${counted} more were refused within a minute, the last: ${last.detail ?? "no reason"}`;
        found.push({ at: now(), actor, credential, address, action, outcome: "refused", detail });
      }
      return found;
    },
  };
}
