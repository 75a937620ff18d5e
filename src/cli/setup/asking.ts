import { isIP } from "node:net";
import { createTransport } from "#transport";
import { TransportError } from "../../client/transport.ts";
import { RegistryError } from "../../oci/errors.ts";
import { hostOf } from "../reach/addresses.ts";
import { type Peer, shakeHands } from "../reach/handshake.ts";
import type { Found } from "./locate.ts";
import type { Target } from "./plan.ts";

/** Where a registry was found, and how it is spoken with. */
export interface Asked {
  readonly target: Target;
  readonly found: Found;
  readonly scheme: "https" | "http";
  /** PEM; absent for plain HTTP, and where this machine trusts the server already. */
  readonly authority: string | undefined;
}

/** Does something with a server. @throws RegistryError UNAVAILABLE, with what to do, when the connection fails */
export async function saying<T>(
  registry: string,
  { address, port, host }: Peer,
  act: () => Promise<T>,
): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    if (!(cause instanceof TransportError)) throw cause;
    const advice =
      cause.failure === "no-tls"
        ? `it speaks no HTTPS: run berth setup server ${host} on the server and start it again, or add --insecure`
        : `check that berth serve --listen 0.0.0.0:${port} runs there, and that no firewall is between`;
    const at = isIP(host) ? "" : ` at ${address}`;
    throw new RegistryError("UNAVAILABLE", `cannot reach ${registry}${at} (${cause.message}): ${advice}`, {
      cause,
    });
  }
}

/** @throws RegistryError UNAVAILABLE when no registry answers in plain HTTP */
export async function requirePlainHttp(target: Target, found: Found, peer: Peer): Promise<void> {
  const { registry } = target;
  const asked = statusOf({ target, found, scheme: "http", authority: undefined }, true);
  const [answer] = await Promise.allSettled([asked]);
  if (answer.status === "fulfilled" && (answer.value === 200 || answer.value === 401)) return;
  if (await speaksTls(peer))
    throw new RegistryError("UNAVAILABLE", `${registry} speaks HTTPS, no plain HTTP: leave out --insecure`);
  if (answer.status === "rejected") throw answer.reason;
  throw new RegistryError(
    "UNAVAILABLE",
    `${registry} answered with status ${answer.value} in plain HTTP: is a registry there?`,
  );
}

function speaksTls(peer: Peer): Promise<boolean> {
  return shakeHands(peer).then(
    () => true,
    () => false, // whatever stands in the way, what was asked before says it
  );
}

/**
 * Asks the registry the question that every client begins with. Resolves to the status of its answer.
 * @param atAddress at the address that was found, else as every program on this machine finds it
 * @throws RegistryError UNAVAILABLE
 */
export async function statusOf(
  { target: { registry, host }, found, scheme, authority }: Asked,
  atAddress: boolean,
): Promise<number> {
  const transport = createTransport({
    proxies: false,
    ...(authority === undefined ? {} : { authorities: [authority] }),
    ...(atAddress ? { addressOf: () => found.address } : {}),
  });
  const url = new URL(`${scheme}://${registry}/v2/`);
  const { port } = hostOf(registry);
  try {
    return await saying(registry, { address: found.address, port, host }, async () => {
      const { status, body } = await transport.send({ method: "GET", url, headers: {} });
      await body.cancel();
      return status;
    });
  } finally {
    transport.close();
  }
}
