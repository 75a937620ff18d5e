import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { RegistryName } from "../../oci/references.ts";

/** Where a registry is, taken from its name. */
export interface Host {
  /** A host name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** @param registry without a port, it is that of HTTPS */
export function hostOf(registry: RegistryName): Host {
  const { hostname, port } = new URL(`https://${registry}`);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 443) };
}

/** The addresses that this machine finds for a name, as every program on it; none when it finds none. */
export async function addressesOf(host: string): Promise<readonly string[]> {
  if (isIP(host)) return [host];
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch {
    return []; // whatever the reason is, nobody finds it
  }
}
