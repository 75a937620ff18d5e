import { createTransport } from "#transport";
import { parseRegistryName, type RegistryName } from "../oci/references.ts";
import type { OperationOptions, Registry } from "../registry/registry.ts";
import { createBlobs } from "./blobs.ts";
import type { CredentialSource } from "./credentials.ts";
import { createManager, type Manager } from "./management.ts";
import { createManifests } from "./manifests.ts";
import { createProviderLogin, type ProviderLogin } from "./provider-login.ts";
import { createReferrers } from "./referrers.ts";
import { createRemote } from "./remote.ts";
import { createRepositories } from "./repositories.ts";
import { defaultRetryPolicy, type RetryPolicy } from "./retries.ts";
import { createTags } from "./tags.ts";
import { isLoopback, type Transport } from "./transport.ts";
import { createUploads } from "./uploads.ts";

/** Options of {@link createClient}. */
export interface ClientOptions {
  /** Finds credentials when the registry wants some; anonymous if absent. */
  readonly credentials?: CredentialSource;
  /** Whether to speak plain HTTP; if absent, only with this machine (`localhost`, 127.0.0.0/8, [::1]). */
  readonly plainHttp?: boolean;
  /** How requests are sent; by a transport with the settings of the environment if absent. Several clients may share one. */
  readonly transport?: Transport;
  /** When requests are sent again, as far as it differs from the default. */
  readonly retries?: Partial<RetryPolicy>;
  /** Told what registries warn of, each text once. */
  readonly onWarning?: (warning: string) => void;
  /**
   * Asks token services for refresh tokens (docker: identity tokens), which stand for a password from then on, and is
   * told each that is given.
   */
  readonly onRefreshToken?: (token: string) => void;
  /** Names the program to registries; `berth` if absent. */
  readonly userAgent?: string;
}

/** A remote registry. */
export interface Client extends Registry, Manager, ProviderLogin {
  /** Its host, with the port if one was given. */
  readonly registry: RegistryName;
  /**
   * Asks whether a registry is there and, if it wants to know who asks, takes the credentials.
   * @throws RegistryError UNAUTHORIZED, DENIED, UNAVAILABLE; UNSUPPORTED when something else is there
   */
  ping(options?: OperationOptions): Promise<void>;
  /** Closes idle connections, unless the transport was given. */
  close(): void;
}

/**
 * Makes a client of the registry at a host and port, such as `docker.io` or `localhost:5000`. It sends nothing until
 * it is asked something.
 * @throws RegistryError NAME_INVALID when that is no name of a registry
 */
export function createClient(registry: string, options: ClientOptions = {}): Client {
  const name = parseRegistryName(registry);
  const transport = options.transport ?? createTransport();
  const remote = createRemote({
    name,
    url: urlOf(name, options.plainHttp),
    transport,
    policy: { ...defaultRetryPolicy, ...options.retries },
    userAgent: options.userAgent ?? "berth",
    credentials: options.credentials,
    onWarning: options.onWarning,
    onRefreshToken: options.onRefreshToken,
  });
  const referrers = createReferrers(remote);
  // "To check whether or not the registry implements this specification"
  const ping = async (pingOptions?: OperationOptions): Promise<void> => {
    const action = `reach ${name}`;
    await remote.ask(
      { method: "GET", to: "", scopes: [], action, accept: [200], notFound: "UNSUPPORTED" },
      pingOptions,
    );
  };
  return {
    registry: name,
    ...createBlobs(remote),
    ...createUploads(remote),
    ...createManifests(remote, referrers),
    ...createTags(remote),
    ...createRepositories(remote),
    ...createManager(remote),
    ...createProviderLogin(remote),
    listReferrers: referrers.listReferrers,
    ping,
    close() {
      if (!options.transport) transport.close();
    },
  };
}

/** Docker Hub's registry is not where its name says. */
const hosts: Readonly<Record<string, string>> = { "docker.io": "registry-1.docker.io" };

function urlOf(name: string, plainHttp: boolean | undefined): URL {
  const host = hosts[name] ?? name;
  const { hostname } = new URL(`http://${host}`);
  return new URL(`${(plainHttp ?? isLoopback(hostname)) ? "http" : "https"}://${host}/`);
}
