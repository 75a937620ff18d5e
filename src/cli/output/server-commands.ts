import { isIP } from "node:net";
import type { TlsNames } from "../../server/tls/names.ts";

/** A server with a certificate of a local authority, as clients are told of it. */
export interface KnownServer {
  /** What the certificate was asked for. */
  readonly asked: TlsNames;
  /** By which other machines reach this one, the likeliest first. */
  readonly addresses: readonly string[];
  readonly port: string;
  /** The name that it answers to by multicast DNS. */
  readonly mdns?: string | undefined;
}

/** What `berth setup server` tells to run on the server's machine. @param place flags that say where the files are */
export function serveCommand(server: KnownServer, place: readonly string[]): string {
  const { asked, port, mdns } = server;
  const every = asked.addresses.some((address) => isIP(address) === 6) ? "[::]" : "0.0.0.0";
  const name = mdns === undefined ? [] : ["--mdns", mdns];
  return commandLine(["berth", "serve", "--listen", `${every}:${port}`, ...name, ...place, "--open=pull"]);
}

/** What stands for an address of the server's machine that is not known, for a person to fill in. */
export const blankAddress = "ADDRESS-OF-THIS-MACHINE";

/** Addresses by which others reach this machine, or the blank. */
export function addressesOrBlank(addresses: readonly string[]): readonly string[] {
  return addresses.length > 0 ? addresses : [blankAddress];
}

/** What each client runs, as root: it finds the server and trusts its authority. */
export function clientCommand(server: KnownServer, fingerprint: string): string {
  const { asked, addresses, mdns } = server;
  const [name] = asked.dns;
  const address = asked.addresses[0] ?? addresses[0];
  const isFound = name === undefined || name === "localhost" || name === mdns?.toLowerCase();
  const where = isFound || address === undefined ? [] : ["--address", address];
  const registry = registryAt(name ?? address ?? "localhost", server.port);
  return commandLine(["berth", "setup", "client", registry, ...where, "--fingerprint", fingerprint]);
}

/**
 * What references to a server with HTTPS begin with. The port of HTTPS is left out where clients know without it that it is
 * a host: they look for authorities by what is typed.
 */
export function registryAt(host: string, port: string): string {
  if (port === "443" && host.includes(".")) return host;
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

/** A command as it can be typed into a shell. */
export function commandLine(words: readonly string[]): string {
  return words.map((word) => (/^[\w./:=@%+-]+$/.test(word) ? word : Bun.$.escape(word))).join(" ");
}
