import { quote } from "../oci/errors.ts";
import { sizeSetting } from "../server/settings/sizes.ts";
import { UsageError } from "./command.ts";

/** The flag that holds reading back. */
export const rateFlag = {
  rate: {
    type: "text",
    value: "SIZE",
    summary: "read at most so much a second, 0 for as fast as it goes",
    otherwise: "100MB",
  },
} as const;

const usual = 100_000_000;

/** Bytes a second; `undefined` for no limit. @throws UsageError */
export function parseRate(text: string | undefined): number | undefined {
  if (text === undefined) return usual;
  const parsed = sizeSetting.safeParse(text);
  if (!parsed.success) {
    throw new UsageError(
      `invalid rate ${quote(text)}: expected bytes a second, for example 50MB, or 0 for no limit`,
    );
  }
  return parsed.data === 0 ? undefined : parsed.data;
}
