import { quote } from "../../oci/errors.ts";
import { UsageError } from "../command.ts";
import type { Machine } from "./machine.ts";
import { changeFile, type PartOfPlan } from "./plan.ts";

const path = "/etc/hosts";

/** The addresses that a hosts file has for a name, in their order. */
function addressesInHosts(text: string, name: string): readonly string[] {
  return text.split("\n").flatMap((line) => {
    const [address, ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    const isNamed = names.some((one) => one.toLowerCase() === name.toLowerCase());
    return address && isNamed ? [address] : [];
  });
}

/** The addresses that the machine's own hosts file has for a name. */
export function hostsAddresses(machine: Machine, name: string): readonly string[] {
  return addressesInHosts(machine.read(path) ?? "", name);
}

/**
 * Gives a name an address in the hosts file, in the line of the name alone if there is one.
 * @throws UsageError when the name has another address in a line with further names
 */
export function planHostsLine(machine: Machine, name: string, address: string): PartOfPlan {
  const text = machine.read(path) ?? "";
  const why = `${name} is found at ${address}`;
  if (addressesInHosts(text, name).length === 0) {
    const gap = text === "" || text.endsWith("\n") ? "" : "\n";
    return { files: changeFile(machine, path, `${text}${gap}${address}\t${name}\n`, why) };
  }
  const lines = text.split("\n").map((line) => {
    if (addressesInHosts(line, name).length === 0) return line;
    if (/^\S+\s+\S+$/.test(line.trim())) return `${address}\t${name}`;
    throw new UsageError(`${path} has ${name} at another address, in ${quote(line)}: change that line first`);
  });
  return { files: changeFile(machine, path, lines.join("\n"), why) };
}
