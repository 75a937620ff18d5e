import { BlockList, isIP } from "node:net";
import type { Connection } from "./context.ts";

/** Tells the address that a request came from, for the record and against guessing. */
export type AddressOf = (request: Request, connection: Connection) => string;

/**
 * Behind proxies that are trusted, the address is the last in `X-Forwarded-For` that is no such proxy: what stands
 * before that, anybody can have written.
 * @param trustedProxies addresses, or networks such as `10.0.0.0/8`
 */
export function createAddressReader(trustedProxies: readonly string[]): AddressOf {
  const trusted = new BlockList();
  for (const text of trustedProxies) {
    const [address = "", bits] = text.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    trusted.addSubnet(address, Number(bits ?? (family === "ipv6" ? 128 : 32)), family);
  }
  const isTrusted = (address: string): boolean => {
    const version = isIP(address);
    return version !== 0 && trusted.check(address, version === 6 ? "ipv6" : "ipv4");
  };
  return (request, connection) => {
    const peer = plain(connection.requestIP?.(request)?.address ?? "unknown");
    if (trustedProxies.length === 0 || !isTrusted(peer)) return peer;
    const passedOn = (request.headers.get("x-forwarded-for") ?? "")
      .split(",")
      .map((part) => plain(part.trim()));
    for (const address of passedOn.reverse()) {
      if (isIP(address) === 0) break; // not what a proxy writes
      if (!isTrusted(address)) return address;
    }
    return peer;
  };
}

/** Whether a text is an address, or a network such as `10.0.0.0/8`. */
export function isNetwork(text: string): boolean {
  const [address = "", bits, more] = text.split("/");
  const version = isIP(address);
  if (version === 0 || more !== undefined) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 6 ? 128 : 32));
}

/** An IPv4 address as such, also where it came over an IPv6 socket. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "");
}
