import { isIP } from "node:net";
import { resolve } from "node:path";
import type { FirstAdministrator } from "../../server/access/first-administrator.ts";
import { fromThisMachine } from "../../server/network/address-file.ts";
import { isLoopback, type Settings } from "../../server/settings/settings.ts";
import { type TlsNames, tlsNames } from "../../server/tls/names.ts";
import { authorityFile } from "../../server/tls/settings.ts";
import { addressesOrBlank, clientCommand, commandLine, registryAt } from "./server-commands.ts";

/** What is known of a server that has just started. */
export interface StartedServer {
  /** Such as `http://0.0.0.0:5000`. */
  readonly address: string;
  readonly access: "open" | "accounts";
  /** The names and addresses of its certificate, if it has one. */
  readonly certificateNames: readonly string[];
  /** Why clients will refuse its certificate, if they will. */
  readonly certificateFault: string | undefined;
  /** The local authority that clients have to trust, if there is one, and what it was asked to vouch for. */
  readonly authority?: { readonly fingerprint: string; readonly asked: TlsNames } | undefined;
  /** Addresses by which other machines reach this one; none where that is not known. */
  readonly addresses: readonly string[];
}

/** What `berth serve` says when it has started. */
export function greeting(settings: Settings, server: StartedServer): string {
  const host = hostFor(settings, server);
  const login = server.access === "accounts" ? `  docker login ${host}\n` : "";
  return `Berth listens on ${server.address}
  data    ${resolve(settings.data)}
  access  ${accessLine(settings, server)}
${notes(settings, server, host).join("")}
Try it:
${login}  docker tag alpine ${host}/library/alpine
  docker push ${host}/library/alpine
  docker pull ${host}/library/alpine
`;
}

/** Shown this once: only a hash of the password is kept. @param certificateNames of the server's certificate, if it has one */
export function firstAccount(
  { name, password }: FirstAdministrator,
  settings: Settings,
  certificateNames: readonly string[],
): string {
  const secret = password === undefined ? "the password that was given" : `the password ${password}`;
  const host = hostFor(settings, { address: `//${settings.listen}`, certificateNames });
  const folder = settings.tls?.folder;
  const authority = folder === undefined ? [] : ["--ca-file", authorityFile(folder)];
  const login = commandLine(["berth", "login", host, "--username", name, ...authority]);
  const change = commandLine(["berth", "user", "passwd", host, ...authority]);
  return `The first account is ${name} with ${secret}.
${password === undefined ? "" : "It is not shown again. "}Change it with: ${login} && ${change}

`;
}

/**
 * What references begin with, so that a client on this machine can use it: nobody connects to the address of them all.
 * Docker takes plain HTTP from 127.0.0.1 and [::1]; with TLS, a name of the certificate is right.
 */
function hostFor(
  settings: Settings,
  { address, certificateNames }: Pick<StartedServer, "address" | "certificateNames">,
): string {
  if (settings["public-url"] !== undefined) return new URL(settings["public-url"]).host;
  const url = fromThisMachine(address);
  const local = url.slice(url.indexOf("//") + 2);
  const port = local.slice(local.lastIndexOf(":"));
  const bare = local.slice(0, -port.length).replace(/^\[|\]$/g, "");
  if (certificateNames.includes(bare)) return local;
  const name = certificateNames.find((one) => isIP(one) === 0 && !one.startsWith("*")) ?? certificateNames[0];
  if (name === undefined || name.startsWith("*")) return local;
  return registryAt(name, port.slice(1));
}

function notes(settings: Settings, server: StartedServer, host: string): readonly string[] {
  const { certificateFault, addresses, authority } = server;
  if (certificateFault !== undefined) return [`  note    ${certificateFault}\n`];
  if (authority) return [`  trust   ${trustCommand(settings, server, authority)}\n`];
  if (settings["public-url"] !== undefined || settings.tls || isLoopback(settings.listen)) return [];
  const port = host.slice(host.lastIndexOf(":"));
  const others = isEvery(settings.listen)
    ? addresses.map((one) => `${isIP(one) === 6 ? `[${one}]` : one}${port}`)
    : [];
  return [
    ...(others.length > 0 ? [`  others  reach it at ${others.join(", ")}\n`] : []),
    "  note    docker on other machines wants HTTPS: berth setup server NAME makes what that needs\n",
  ];
}

function trustCommand(
  { listen, mdns, "public-url": publicUrl }: Settings,
  { address, addresses }: StartedServer,
  { asked, fingerprint }: NonNullable<StartedServer["authority"]>,
): string {
  if (publicUrl !== undefined) {
    const { hostname, port } = new URL(publicUrl);
    const known = { asked: tlsNames([hostname.replace(/^\[|\]$/g, "")]), addresses: [], port: port || "443" };
    return clientCommand(known, fingerprint);
  }
  const only = listen.slice(0, listen.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  const isOne = isIP(only) !== 0 && !isEvery(listen);
  const port = address.slice(address.lastIndexOf(":") + 1);
  return clientCommand(
    { asked, addresses: isOne ? [only] : addressesOrBlank(addresses), port, mdns },
    fingerprint,
  );
}

function isEvery(listen: string): boolean {
  return /^(?:0\.0\.0\.0|\[::\]):/.test(listen);
}

function accessLine(settings: Settings, { access }: StartedServer): string {
  if (access === "open") return "everybody who reaches this address may pull and push";
  return settings.access.open === "pull"
    ? "everybody may pull; to push, an account is needed"
    : "accounts only; --open=pull or --open=push would let everybody in";
}
