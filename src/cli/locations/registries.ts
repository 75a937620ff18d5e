import { resolve } from "node:path";
import { createTransport } from "#transport";
import { type Client, createClient } from "../../client/client.ts";
import type { CredentialSource } from "../../client/credentials.ts";
import { type DockerLoginOptions, dockerCredentials } from "../../client/docker-credentials.ts";
import { proxiesOf } from "../../client/proxies.ts";
import { isLoopback, type Transport } from "../../client/transport.ts";
import { quote } from "../../oci/errors.ts";
import type { RepositoryName } from "../../oci/names.ts";
import type { RegistryName } from "../../oci/references.ts";
import { type Context, type Surroundings, UsageError } from "../command.ts";
import { printWarning } from "../output/messages.ts";
import { authoritiesFor } from "../setup/authorities.ts";
import { openMachine } from "../setup/machine.ts";
import type { TypedRegistry } from "./operands.ts";

/** The flags of every command that talks to registries. */
export const registryFlags = {
  "plain-http": {
    type: "text",
    value: "REGISTRY",
    bare: "",
    multiple: true,
    summary: "speak plain HTTP instead of HTTPS with it, or with every registry",
  },
  "ca-file": {
    type: "text",
    value: "FILE",
    multiple: true,
    summary: "trust this authority's certificate too (PEM)",
    completion: "file",
  },
} as const;

type RegistryContext = Surroundings & Pick<Context<typeof registryFlags>, "flags">;

/** What is needed beside the name of a registry. */
export interface RemoteOptions extends Pick<TypedRegistry, "scheme"> {
  /** Used instead of the logins that are kept. */
  readonly credentials?: CredentialSource;
  /** The repository that is worked with, for which a login of its own may be kept. */
  readonly repository?: RepositoryName;
  readonly onRefreshToken?: (token: string) => void;
}

/** The remote registries of one command. */
export interface Remotes {
  /** The client of a registry, the same one each time: of the options, the first count. */
  client(registry: RegistryName, options?: RemoteOptions): Client;
}

/**
 * Lets a command talk to registries, with the logins of docker, the authorities that this machine's engines trust for each,
 * the proxies of the environment and its own flags. What
 * registries warn of is printed when it is through.
 */
export async function withRemotes<T>(
  context: RegistryContext,
  act: (remotes: Remotes) => Promise<T>,
): Promise<T> {
  const { flags, env, cwd } = context;
  const caFiles = flags["ca-file"].map((file) => resolve(cwd, file));
  const transport = createTransport({ caFiles, proxies: proxiesOf(env) });
  const transports = [transport];
  const transportFor = (registry: RegistryName): Transport => {
    const authorities = authoritiesFor(registry, openMachine("/")).map(({ text }) => text);
    if (authorities.length === 0) return transport;
    // One of its own: who vouches for this registry need not be believed of others.
    const own = createTransport({ caFiles, authorities, proxies: proxiesOf(env) });
    transports.push(own);
    return own;
  };
  const clients = new Map<RegistryName, Client>();
  const warnings = new Set<string>();

  const client: Remotes["client"] = (registry, options = {}) => {
    const known = clients.get(registry);
    if (known) return known;
    const { credentials, repository, onRefreshToken, scheme } = options;
    const plainHttp = speaksPlainHttp({ registry, ...(scheme && { scheme }) }, flags);
    const made = createClient(registry, {
      transport: transportFor(registry),
      credentials:
        credentials ?? dockerCredentials({ ...loginOptions(context), ...(repository ? { repository } : {}) }),
      onWarning: (warning) => warnings.add(warning),
      ...(plainHttp === undefined ? {} : { plainHttp }),
      ...(onRefreshToken ? { onRefreshToken } : {}),
    });
    clients.set(registry, made);
    return made;
  };

  try {
    return await act({ client });
  } finally {
    for (const one of transports) one.close();
    for (const warning of warnings) printWarning(context, warning);
  }
}

/** Where logins are kept for the user of a command. */
export function loginOptions({ env }: Pick<Surroundings, "env">): DockerLoginOptions {
  return { environment: env, ...(env.HOME ? { homeFolder: env.HOME } : {}) };
}

/**
 * `undefined` for the client's own choice, which is plain HTTP with this machine alone. A scheme that was typed is kept
 * to: a password would else go another way than who typed it expects.
 * @throws UsageError
 */
function speaksPlainHttp(
  { registry, scheme }: TypedRegistry,
  flags: RegistryContext["flags"],
): boolean | undefined {
  const plain = flags["plain-http"];
  const isAllowed = plain.includes("") || plain.includes(registry);
  if (scheme === "https" && isAllowed) {
    throw new UsageError(
      `${quote(`https://${registry}`)} and --plain-http contradict each other: leave out one`,
    );
  }
  if (scheme === "http" && !isAllowed && !isLoopback(new URL(`http://${registry}`).hostname)) {
    throw new UsageError(
      `${quote(`http://${registry}`)} asks for plain HTTP, which everybody on the way can read: leave out "http://" ` +
        "for HTTPS, or add --plain-http",
    );
  }
  if (scheme !== undefined || isAllowed) return scheme !== "https";
  // Who names an authority wants certificates to be checked, also by this machine.
  return flags["ca-file"].length > 0 ? false : undefined;
}
