import { engines } from "../setup/engines/engines.ts";
import type { Check, Facts, Result } from "./checks.ts";

/** What each engine that is installed would do, as its files stand. */
export const engineChecks: readonly Check[] = engines.flatMap(({ name, isInstalled, outlook }) => {
  if (!outlook) return [];
  const run = ({
    machine,
    registry,
    host,
    scheme = "https",
    vouching,
    isTrustedBySystem = false,
  }: Facts): Result => {
    if (!isInstalled(machine)) return { state: "untried", says: "it is not installed here" };
    const served = {
      scheme,
      isTrustedBySystem,
      isVouchedForBy: (text: string) => vouching?.has(text) === true,
    };
    const { kind, because } = outlook({ registry, host }, served, machine);
    if (kind === "works") return { state: "fine", says: because };
    const insecure = scheme === "http" ? " --insecure" : "";
    return { state: "wrong", says: because, mend: `berth setup client ${registry}${insecure}` };
  };
  return [{ name, needs: ["certificate"], run }];
});
