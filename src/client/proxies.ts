import { BlockList, isIP } from "node:net";
import { quote, RegistryError } from "../oci/errors.ts";
import { isLoopback, type ProxySettings } from "./transport.ts";

/** The proxies that a process environment names, in upper or lower case, upper first. */
export function proxiesOf(environment: Readonly<Record<string, string | undefined>>): ProxySettings {
  const find = (name: string) => environment[name] || environment[name.toLowerCase()];
  const [http, https, except] = [find("HTTP_PROXY"), find("HTTPS_PROXY"), find("NO_PROXY")];
  return { ...(http ? { http } : {}), ...(https ? { https } : {}), ...(except ? { except } : {}) };
}

/**
 * The proxy through which an address is reached, `undefined` for none. This machine is always reached directly.
 * @throws RegistryError UNSUPPORTED when the proxy's own address is wrong or of an unknown kind
 */
export function proxyFor(url: URL, settings: ProxySettings): URL | undefined {
  const text = url.protocol === "https:" ? settings.https : settings.http;
  if (!text || isLoopback(url.hostname) || isExcepted(url, settings.except ?? "")) return undefined;
  const address = text.includes("://") ? text : `http://${text}`;
  const proxy = URL.canParse(address) ? new URL(address) : undefined;
  if (proxy?.protocol === "http:" || proxy?.protocol === "https:") return proxy;
  // The scheme alone is quoted: what follows can hold a password.
  const found = proxy ? `is of the kind ${quote(proxy.protocol)}` : "is not a URL";
  throw new RegistryError(
    "UNSUPPORTED",
    `the proxy for ${url.protocol}//${url.host} ${found}: expected one such as "http://proxy.example.com:3128"`,
  );
}

// The rules of Go, which docker, podman and skopeo follow: https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config
function isExcepted(url: URL, list: string): boolean {
  const host = url.hostname.toLowerCase().replace(/^\[|\]$/g, "");
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return list
    .split(",")
    .map((part) => part.trim().toLowerCase())
    .some((part) => part !== "" && matches(part, host, port));
}

function matches(pattern: string, host: string, port: string): boolean {
  if (pattern === "*") return true;
  if (pattern.includes("/")) return isInNetwork(pattern, host);
  const { name, wantedPort } = splitPort(pattern);
  if (wantedPort !== undefined && wantedPort !== port) return false;
  if (isIP(name)) return name === host;
  const suffix = name.replace(/^\*/, "");
  return suffix.startsWith(".") ? host.endsWith(suffix) : host === suffix || host.endsWith(`.${suffix}`);
}

function splitPort(pattern: string): { name: string; wantedPort?: string } {
  if (isIP(pattern)) return { name: pattern };
  const [, name = pattern, wantedPort] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(pattern) ?? [];
  return wantedPort === undefined ? { name } : { name, wantedPort };
}

function isInNetwork(pattern: string, host: string): boolean {
  const [address = "", bits = ""] = pattern.split("/");
  const version = isIP(host);
  if (version === 0 || version !== isIP(address) || !/^\d+$/.test(bits)) return false;
  const family = version === 6 ? "ipv6" : "ipv4";
  if (Number(bits) > (version === 6 ? 128 : 32)) return false;
  const network = new BlockList();
  network.addSubnet(address, Number(bits), family);
  return network.check(host, family);
}
