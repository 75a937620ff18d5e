import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { quote, RegistryError } from "../../oci/errors.ts";

/** What a certificate is made out to. */
export interface TlsNames {
  /** In lower case. */
  readonly dns: readonly string[];
  readonly addresses: readonly string[];
}

/** What ends in a number is an address, or means to be one. https://url.spec.whatwg.org/#ends-in-a-number-checker */
const dnsName =
  /^(?=.{1,253}$)(?!(?:.*\.)?\d+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

/**
 * Sorts what a person names a server by: host names and addresses, without port.
 * @throws RegistryError NAME_INVALID
 */
export function parseTlsNames(texts: readonly string[]): TlsNames {
  const plain = texts.map((text) => text.replace(/^\[(.*)\]$/, "$1").toLowerCase());
  for (const text of plain) {
    if ((isIP(text) && !text.includes("%")) || dnsName.test(text)) continue;
    const port = /^([^:]+|\[.+\]):\d+$/.exec(text)?.[1];
    throw new RegistryError(
      "NAME_INVALID",
      `invalid name ${quote(text)} for a certificate: expected a host name or an address` +
        (port === undefined ? `, such as "registry.local"` : ` without port, such as ${quote(port)}`),
    );
  }
  return tlsNames(plain);
}

/** What both have, each once, the first one's before the second's. */
export function unionOf(first: TlsNames, second: TlsNames): TlsNames {
  return tlsNames([...first.dns, ...second.dns, ...first.addresses, ...second.addresses]);
}

/** What the first has and the second has not. */
export function without(first: TlsNames, second: TlsNames): TlsNames {
  const taken = new Set([...second.dns, ...second.addresses]);
  return tlsNames([...first.dns, ...first.addresses].filter((name) => !taken.has(name)));
}

/** Whether both are the same names, in whatever order. */
export function areSame(first: TlsNames, second: TlsNames): boolean {
  const all = (names: TlsNames): string => [...names.dns, ...names.addresses].toSorted().join(" ");
  return all(first) === all(second);
}

/** Sorts names, each once, in their one spelling. */
export function tlsNames(texts: readonly string[]): TlsNames {
  const unique = [...new Set(texts.map(canonical))];
  return { dns: unique.filter((text) => !isIP(text)), addresses: unique.filter((text) => isIP(text) !== 0) };
}

/** An IPv6 address has many spellings. */
function canonical(text: string): string {
  return isIP(text) === 6 ? new URL(`http://[${text}]/`).hostname.slice(1, -1) : text.toLowerCase();
}

/** What this machine is called from itself and from its networks. Addresses of one link alone are left out. */
export function namesOfThisMachine(): TlsNames {
  const addresses = Object.values(networkInterfaces()).flatMap((list = []) =>
    list.map(({ address }) => address).filter((address) => !/^fe80:/i.test(address)),
  );
  return tlsNames(["localhost", "127.0.0.1", "::1", ...addresses]);
}

/** Names that mean nothing outside of a network of one's own. https://www.rfc-editor.org/rfc/rfc6762#appendix-G */
const privateSuffixes = [
  ...["local", "lan", "home", "home.arpa", "internal", "intranet", "private", "corp", "localdomain"],
  ...["localhost", "test"],
];

/** What the host names end in for which an authority that is made for `names` may vouch. */
export function suffixesFor(names: TlsNames): readonly string[] {
  return [...new Set([...privateSuffixes, ...names.dns])];
}

/** Names that an authority may not vouch for. @param suffixes of its certificate; absent where it says nothing */
export function refusedNames(names: TlsNames, suffixes: readonly string[] | undefined): readonly string[] {
  if (!suffixes) return [];
  return names.dns.filter((name) => !suffixes.some((end) => name === end || name.endsWith(`.${end}`)));
}
