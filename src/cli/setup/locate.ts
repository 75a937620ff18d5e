import { isIP } from "node:net";
import { quote, RegistryError } from "../../oci/errors.ts";
import { UsageError } from "../command.ts";
import { addressesOf } from "../reach/addresses.ts";
import { askNetwork } from "../reach/mdns.ts";
import { hostsAddresses } from "./hosts-file.ts";
import type { Machine } from "./machine.ts";

/** Where a server was found. */
export interface Found {
  readonly address: string;
  /** Whether other programs on this machine find it there by its name. */
  readonly isKnown: boolean;
  readonly by: "name" | "address" | "hosts file" | "multicast DNS";
}

/**
 * Finds a server by its name: as this machine does, or at the address that is given, or by asking the local network.
 * @param given what a person says
 * @throws UsageError when what is given is no address; RegistryError UNAVAILABLE when nothing is found
 */
export async function locate(host: string, given: string | undefined, machine: Machine): Promise<Found> {
  if (given !== undefined && !isIP(given))
    throw new UsageError(`--address is ${quote(given)}: expected an IP address`);
  if (isIP(host)) return { address: host, isKnown: true, by: "name" };
  const inHosts = hostsAddresses(machine, host);
  const known = inHosts.length > 0 ? inHosts : await addressesOf(host);
  const [first] = known;
  if (given !== undefined) return { address: given, isKnown: known.includes(given), by: "address" };
  if (first !== undefined)
    return { address: first, isKnown: true, by: inHosts.length > 0 ? "hosts file" : "name" };
  const [answered] = host.endsWith(".local") ? await askNetwork(host) : [];
  if (answered !== undefined) return { address: answered, isKnown: false, by: "multicast DNS" };
  const asked = host.endsWith(".local")
    ? ", and nobody on the local network answers to it (berth serve --mdns NAME does)"
    : "";
  throw new RegistryError(
    "UNAVAILABLE",
    `no address is known for ${host}${asked}: add --address IP, and it is written into /etc/hosts`,
  );
}
