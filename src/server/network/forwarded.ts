/** What one proxy says of the request that it passed on. https://www.rfc-editor.org/rfc/rfc7239#section-5 */
export interface ForwardedElement {
  /** Who sent it to the proxy: an address, perhaps with a port, or a word. */
  readonly for?: string;
  readonly proto?: string;
  readonly host?: string;
}

// forwarded-pair = token "=" ( token / quoted-string ). Brackets and colons are taken without quotes, too: some proxies
// leave these out.
const pair = /[ \t]*([!#$%&'*+.^_`|~\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^_`|~\w:[\]-]+))[ \t]*([;,]|$)/y;

/**
 * Parses `Forwarded`; the last element is of the nearest proxy.
 * @returns undefined when it is malformed
 */
export function parseForwarded(header: string): readonly ForwardedElement[] | undefined {
  const elements: Record<string, string>[] = [{}];
  pair.lastIndex = 0;
  for (;;) {
    const found = pair.exec(header);
    if (!found) return undefined;
    const [, name = "", quoted, token = "", end] = found;
    const element = elements.at(-1) ?? {};
    element[name.toLowerCase()] = quoted === undefined ? token : quoted.replace(/\\(.)/g, "$1");
    if (end === "") return elements;
    if (end === ",") elements.push({});
  }
}

/** The address of a node, without its port and brackets: `[2001:db8::1]:4711`, `192.0.2.1:80`. */
export function addressOfNode(node: string): string {
  const bracketed = /^\[([^\]]*)\](?::[\w.-]+)?$/.exec(node);
  if (bracketed) return bracketed[1] ?? "";
  return /^[^:]+:[\w.-]+$/.test(node) ? node.slice(0, node.indexOf(":")) : node;
}
