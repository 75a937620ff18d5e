import { isIP } from "node:net";
import type { Connection } from "../context.ts";
import type { Settings } from "../settings/settings.ts";
import { type AddressOf, createNetworks, peerOf, plainAddress } from "./addresses.ts";
import { addressOfNode, type ForwardedElement, parseForwarded } from "./forwarded.ts";

/** Where a request came from, and where its sender found this server, with and without proxies between them. */
export interface Forwarding {
  readonly addressOf: AddressOf;
  /** `https://registry.example.com`, with the prefix of its paths if there is one, without a slash at the end. */
  baseUrlOf(request: Request, connection: Connection): string;
  /** What stands before every path that is told to the sender: nothing, or such as `/registry`. */
  prefixOf(request: Request, connection: Connection): string;
}

/**
 * `trusted-proxies` are believed; `proxy-headers` says which headers they write, since those of the other kind a client
 * may have written; `public-url` is where clients find this server, whatever the request says.
 */
export type ForwardingSettings = Pick<Settings, "trusted-proxies" | "proxy-headers" | "public-url">;

/** What a trusted proxy said, as far as it can be used. */
interface Said {
  readonly address?: string | undefined;
  readonly scheme?: "http" | "https" | undefined;
  readonly host?: string | undefined;
  readonly prefix?: string | undefined;
}

const hostShape = /^(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)(?::\d{1,5})?$/i;
const prefixShape = /^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+\/*$/;
const silent: Said = {};

/**
 * Reads what proxies say of a request. Only those that are trusted are believed. Where none is named, one that ends TLS
 * is believed that it did, whoever it is: who lies with `X-Forwarded-Proto` then, misleads nobody but himself.
 */
export function createForwarding(settings: ForwardingSettings): Forwarding {
  const { "trusted-proxies": trustedProxies, "proxy-headers": proxyHeaders } = settings;
  const isTrusted = createNetworks(trustedProxies);
  const read = proxyHeaders === "forwarded" ? readForwarded : readXForwarded;
  const said = (request: Request, connection: Connection): Said => {
    if (trustedProxies.length === 0)
      return { scheme: schemeIn(firstOf(request.headers.get("x-forwarded-proto"))) };
    return isTrusted(peerOf(request, connection)) ? read(request.headers, isTrusted) : silent;
  };
  const publicUrl = settings["public-url"]?.replace(/\/+$/, "");
  const publicPrefix = publicUrl === undefined ? undefined : new URL(publicUrl).pathname.replace(/\/+$/, "");
  const canHavePrefix = trustedProxies.length > 0 && proxyHeaders === "x-forwarded";
  return {
    addressOf: (request, connection) => said(request, connection).address ?? peerOf(request, connection),
    prefixOf(request, connection) {
      return publicPrefix ?? (canHavePrefix ? (said(request, connection).prefix ?? "") : "");
    },
    baseUrlOf(request, connection) {
      if (publicUrl !== undefined) return publicUrl;
      const { scheme, host, prefix = "" } = said(request, connection);
      const own = new URL(request.url);
      const asked = hostIn(request.headers.get("host")) ?? own.host;
      return `${scheme ?? own.protocol.slice(0, -1)}://${host ?? asked}${prefix}`;
    },
  };
}

/**
 * Each proxy adds its peer to `X-Forwarded-For`: the last that is no trusted proxy is the sender; what stands before
 * that, anybody can have written. A sender inside of a trusted network is the first.
 */
function readXForwarded(headers: Headers, isTrusted: (address: string) => boolean): Said {
  const chain = (headers.get("x-forwarded-for") ?? "").split(",").map((part) => plainAddress(part.trim()));
  const hop = chain.findLastIndex((address) => !isTrusted(address));
  return {
    address: addressIn(chain[Math.max(hop, 0)]),
    scheme: schemeIn(firstOf(headers.get("x-forwarded-proto"))),
    host: hostIn(firstOf(headers.get("x-forwarded-host"))),
    prefix: prefixIn(firstOf(headers.get("x-forwarded-prefix"))),
  };
}

/** The element of the outermost trusted proxy says what its peer asked for. */
function readForwarded(headers: Headers, isTrusted: (address: string) => boolean): Said {
  const elements = parseForwarded(headers.get("forwarded") ?? "") ?? [];
  const senderOf = (element: ForwardedElement) => plainAddress(addressOfNode(element.for ?? ""));
  const found = elements.findLast((element) => !isTrusted(senderOf(element))) ?? elements[0];
  if (!found) return silent;
  return {
    address: addressIn(senderOf(found)),
    scheme: schemeIn(found.proto),
    host: hostIn(found.host),
  };
}

function firstOf(list: string | null): string | undefined {
  return list?.split(",")[0]?.trim();
}

function addressIn(text: string | undefined): string | undefined {
  return text !== undefined && isIP(text) !== 0 ? text : undefined;
}

function schemeIn(text: string | undefined): "http" | "https" | undefined {
  const scheme = text?.toLowerCase();
  return scheme === "https" || scheme === "http" ? scheme : undefined;
}

function hostIn(text: string | null | undefined): string | undefined {
  return text && hostShape.test(text) ? text : undefined;
}

function prefixIn(text: string | undefined): string | undefined {
  return text !== undefined && prefixShape.test(text) ? text.replace(/\/+$/, "") : undefined;
}
