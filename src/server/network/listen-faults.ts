import { networkInterfaces } from "node:os";
import { RegistryError } from "../../oci/errors.ts";
import { errorCode } from "../../registry/files/durable.ts";
import { findPortHolder, type PortHolder } from "./port-holder.ts";

/** Turns the failure to listen into words: what was tried, what was found, what to do. */
export function explainListenFailure(error: unknown, hostname: string, port: number): unknown {
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  const message = messageFor(errorCode(error), host, port);
  return message === undefined ? error : new RegistryError("UNAVAILABLE", message, { cause: error });
}

function messageFor(code: string, hostname: string, port: number): string | undefined {
  switch (code) {
    case "EADDRINUSE":
      return `cannot listen on ${hostname}:${port}: the port is taken ${holderText(findPortHolder(port))}, or choose another port with --listen`;
    case "EADDRNOTAVAIL":
      return `cannot listen on ${hostname}:${port}: this machine has no such address; it has ${allAddresses().join(", ")}`;
    case "EACCES":
      return `cannot listen on ${hostname}:${port}: ports below 1024 need a right that this user has not; choose another with --listen, such as ${hostname}:5000`;
  }
}

function holderText(holder: PortHolder | undefined): string {
  if (holder) return `by ${holder.name} (process ${holder.processId}): stop that`;
  // Since macOS 12.
  const hint = process.platform === "darwin" ? ", AirPlay Receiver perhaps" : "";
  return `by another program${hint}: stop that (as root, ss -ltnp names it)`;
}

/** The addresses of this machine, also those that nobody else reaches it by. */
function allAddresses(): readonly string[] {
  const listed = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  return listed.map(({ address }) => address);
}
