import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { addressOfNode, parseForwarded } from "./forwarded.ts";

describe("parseForwarded", () => {
  // The examples of https://www.rfc-editor.org/rfc/rfc7239#section-4
  test.each([
    ['for="_gazonk"', [{ for: "_gazonk" }]],
    ['For="[2001:db8:cafe::17]:4711"', [{ for: "[2001:db8:cafe::17]:4711" }]],
    ["for=192.0.2.60;proto=http;by=203.0.113.43", [{ for: "192.0.2.60", proto: "http", by: "203.0.113.43" }]],
    ["for=192.0.2.43, for=198.51.100.17", [{ for: "192.0.2.43" }, { for: "198.51.100.17" }]],
    [
      "for=192.0.2.1 ; host=a.example:8443 ,\tproto=https",
      [{ for: "192.0.2.1", host: "a.example:8443" }, { proto: "https" }],
    ],
    ['host="a\\"b"', [{ host: 'a"b' }]],
    ["for=[::1]:80", [{ for: "[::1]:80" }]],
    ["", undefined],
    ["for", undefined],
    ["for=a b", undefined],
    ["for=a,", undefined],
    ['for="a', undefined],
  ])("parseForwarded of %s is %j", (header, expected) => {
    expect(parseForwarded(header) as unknown).toEqual(expected);
  });

  test("parseForwarded reads back whatever was quoted", () => {
    const value = fc.string({ unit: "grapheme-ascii", minLength: 1 });
    const quoted = (text: string) => `"${text.replace(/["\\]/g, "\\$&")}"`;
    fc.assert(
      fc.property(fc.array(fc.record({ for: value, host: value }), { minLength: 1 }), (elements) => {
        const header = elements.map((one) => `for=${quoted(one.for)};host=${quoted(one.host)}`).join(", ");
        expect(parseForwarded(header)).toEqual(elements);
      }),
    );
  });
});

describe("addressOfNode", () => {
  test.each([
    ["192.0.2.60", "192.0.2.60"],
    ["192.0.2.60:4711", "192.0.2.60"],
    ["[2001:db8::1]:4711", "2001:db8::1"],
    ["[2001:db8::1]", "2001:db8::1"],
    ["2001:db8::1", "2001:db8::1"],
    ["_hidden", "_hidden"],
  ])("addressOfNode of %s is %s", (node, expected) => {
    expect(addressOfNode(node)).toBe(expected);
  });
});
