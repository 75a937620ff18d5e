import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { isIP, type Socket } from "node:net";
import tls from "node:tls";
import { RegistryError } from "../oci/errors.ts";
import { proxiesOf, proxyFor } from "./proxies.ts";
import { TransportError, type TransportOptions } from "./transport.ts";
import { transportErrorOf } from "./transport-failures.ts";

/** How a request to one address is begun. */
export interface Route {
  /** For `request` of node:http or node:https, by `protocol`. */
  readonly options: https.RequestOptions;
  /** Of the server that is connected to: a proxy's for requests that it makes itself. */
  readonly protocol: "http:" | "https:";
}

/** The connections of a transport. */
export interface Agents {
  /** @throws RegistryError UNSUPPORTED when the address's proxy is set wrongly */
  routeTo(url: URL): Route;
  /** Whether a proxy makes the connection. @throws as routeTo */
  isProxied(url: URL): boolean;
  close(): void;
}

/** @throws RegistryError UNSUPPORTED when a file of certificates cannot be read */
export function createAgents(options: TransportOptions): Agents {
  const proxies = options.proxies === false ? {} : (options.proxies ?? proxiesOf(process.env));
  const security = tlsOptionsOf(options);
  const plain = new http.Agent({ keepAlive: true });
  const secure = new https.Agent({ keepAlive: true, ...security });
  const tunnels = new Map<string, https.Agent>();

  const tunnelThrough = (proxy: URL): https.Agent => {
    const known = tunnels.get(proxy.href);
    if (known) return known;
    const agent = createTunnelAgent(proxy, security);
    tunnels.set(proxy.href, agent);
    return agent;
  };

  /** Where a host is that is not asked for by its name, and the name that it nevertheless has. */
  const elsewhere = (url: URL) => {
    const hostname = options.addressOf?.(addressOf(url).hostname);
    return hostname === undefined
      ? {}
      : { address: { hostname, headers: { host: url.host } }, name: serverNameOf(url) };
  };

  return {
    isProxied: (url) => proxyFor(url, proxies) !== undefined,
    routeTo(url) {
      const proxy = proxyFor(url, proxies);
      if (url.protocol === "https:") {
        const agent = proxy ? tunnelThrough(proxy) : secure;
        const { address, name } = proxy ? {} : elsewhere(url);
        return { protocol: "https:", options: { ...addressOf(url), ...address, ...name, agent } };
      }
      if (!proxy) {
        return { protocol: "http:", options: { ...addressOf(url), ...elsewhere(url).address, agent: plain } };
      }
      const { protocol, agent } =
        proxy.protocol === "https:"
          ? { protocol: "https:" as const, agent: secure }
          : { protocol: "http:" as const, agent: plain };
      const headers = { host: url.host, ...proxyAuthorization(proxy) };
      const path = `http://${url.host}${url.pathname}${url.search}`;
      return { protocol, options: { ...addressOf(proxy), ...serverNameOf(proxy), path, headers, agent } };
    },
    close() {
      for (const agent of [plain, secure, ...tunnels.values()]) agent.destroy();
    },
  };
}

function addressOf(url: URL): { hostname: string; port: string; path: string } {
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return { hostname, port, path: url.pathname + url.search };
}

/** The name that a proxy's own certificate has to have: else that of the Host header is taken. */
function serverNameOf(url: URL): { servername: string } {
  const { hostname } = addressOf(url);
  return { servername: isIP(hostname) ? "" : hostname };
}

function tlsOptionsOf(options: TransportOptions): tls.SecureContextOptions & tls.ConnectionOptions {
  const extra = [...(options.authorities ?? []), ...(options.caFiles ?? []).map(readCertificates)];
  return {
    // Made once: to parse all authorities for each connection takes tens of milliseconds.
    ...(extra.length > 0
      ? { secureContext: tls.createSecureContext({ ca: [...defaultCertificates(), ...extra] }) }
      : {}),
    ...(options.acceptAnyCertificate ? { rejectUnauthorized: false } : {}),
  };
}

/** What the runtime trusts, NODE_EXTRA_CA_CERTS included: own certificates replace it otherwise. */
function defaultCertificates(): readonly string[] {
  if (typeof tls.getCACertificates === "function") return tls.getCACertificates("default");
  const file = process.env.NODE_EXTRA_CA_CERTS; // Node before 22.15 cannot be asked
  return [...tls.rootCertificates, ...(file ? [readCertificates(file)] : [])];
}

function readCertificates(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new RegistryError(
      "UNSUPPORTED",
      `cannot read the CA file ${JSON.stringify(path)}: ${whyUnread(cause)}`,
      { cause },
    );
  }
  if (text.includes("-----BEGIN CERTIFICATE-----") || text.includes("-----BEGIN TRUSTED CERTIFICATE-----"))
    return text;
  throw new RegistryError(
    "UNSUPPORTED",
    `the CA file ${JSON.stringify(path)} has no certificate: expected PEM, with -----BEGIN CERTIFICATE-----`,
  );
}

function whyUnread(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EISDIR") return "it is a folder, a file was expected";
  if (code === "EACCES") return "not allowed: check whose it is and who may read it";
  return error instanceof Error ? error.message : String(error);
}

/** An agent whose connections go through a proxy's CONNECT. */
function createTunnelAgent(proxy: URL, security: tls.ConnectionOptions): https.Agent {
  const agent = new https.Agent({ keepAlive: true, ...security });
  return Object.assign(agent, {
    createConnection(
      target: { host: string; port: number | string },
      done: (error: Error | null, socket?: Socket) => void,
    ): void {
      openTunnel(proxy, target, security).then(
        (socket) => {
          const { host } = target;
          // An IP address has no server name, but its certificate has to name it all the same.
          const servername = isIP(host) ? "" : host;
          const checkServerIdentity = (_: string, shown: tls.PeerCertificate) =>
            tls.checkServerIdentity(host, shown);
          done(null, tls.connect({ ...security, socket, servername, checkServerIdentity }));
        },
        (error: Error) => done(error),
      );
    },
  });
}

function openTunnel(
  proxy: URL,
  target: { host: string; port: number | string },
  security: tls.ConnectionOptions,
): Promise<Socket> {
  const { hostname, port } = addressOf(proxy);
  const authority = `${isIP(target.host) === 6 ? `[${target.host}]` : target.host}:${target.port}`;
  const headers = { host: authority, ...proxyAuthorization(proxy) };
  const common = { hostname, port, method: "CONNECT", path: authority, headers, agent: false as const };
  return new Promise((resolve, reject) => {
    const request =
      proxy.protocol === "https:"
        ? https.request({ ...common, ...security, ...serverNameOf(proxy) })
        : http.request(common);
    request.on("connect", ({ statusCode = 0 }, socket) => {
      if (statusCode === 200) return resolve(socket);
      socket.destroy();
      reject(proxyRefusal(proxy, statusCode));
    });
    request.on("response", ({ statusCode = 0 }) => {
      request.destroy();
      reject(proxyRefusal(proxy, statusCode));
    });
    request.on("error", (cause) => {
      const { message } = transportErrorOf(cause);
      reject(new TransportError("proxy", `the proxy ${proxy.host} cannot be reached: ${message}`, { cause }));
    });
    request.end();
  });
}

/** The error when a proxy itself answers instead of the server behind it. */
export function proxyRefusal(proxy: URL | undefined, status: number): TransportError {
  const hint = status === 407 ? ": it wants another user name or password" : "";
  return new TransportError(
    "proxy",
    `the proxy ${proxy ? `${proxy.host} ` : ""}answered with status ${status}${hint}`,
  );
}

function proxyAuthorization({ username, password }: URL): Record<string, string> {
  if (!username && !password) return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(pair).toString("base64")}` };
}
