import { BlockList, isIP } from "node:net";
import type { Connection } from "../context.ts";

/** Tells the address that a request came from, for the record and against guessing. */
export type AddressOf = (request: Request, connection: Connection) => string;

/**
 * Makes the test whether an address belongs to one of some networks. What is no address belongs to none.
 * @param networks addresses, or networks such as `10.0.0.0/8`
 */
export function createNetworks(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const text of networks) {
    const [address = "", bits] = text.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    list.addSubnet(address, Number(bits ?? (family === "ipv6" ? 128 : 32)), family);
  }
  return (address) => {
    const version = isIP(address);
    return version !== 0 && list.check(address, version === 6 ? "ipv6" : "ipv4");
  };
}

/** Whether a text is an address, or a network such as `10.0.0.0/8`. */
export function isNetwork(text: string): boolean {
  const [address = "", bits, more] = text.split("/");
  const version = isIP(address);
  if (version === 0 || more !== undefined) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 6 ? 128 : 32));
}

/** Who is at the other end of the connection: a proxy, perhaps. */
export function peerOf(request: Request, connection: Connection): string {
  return plainAddress(connection.requestIP?.(request)?.address ?? "unknown");
}

/** An IPv4 address as such, also where it came over an IPv6 socket. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "");
}
