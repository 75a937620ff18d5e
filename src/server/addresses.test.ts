import { describe, expect, test } from "bun:test";
import { createAddressReader, isNetwork } from "./addresses.ts";

const read = (trusted: readonly string[], peer: string, forwarded?: string) =>
  createAddressReader(trusted)(
    new Request(
      "http://berth/",
      forwarded === undefined ? {} : { headers: { "x-forwarded-for": forwarded } },
    ),
    { timeout: () => {}, requestIP: () => ({ address: peer }) },
  );

describe("createAddressReader", () => {
  test.each([
    [[], "192.0.2.1", "203.0.113.9", "192.0.2.1"],
    [["10.0.0.0/8"], "192.0.2.1", "203.0.113.9", "192.0.2.1"],
    [["10.0.0.0/8"], "10.1.2.3", "203.0.113.9", "203.0.113.9"],
    [["10.0.0.0/8"], "10.1.2.3", "198.51.100.7, 203.0.113.9, 10.9.9.9", "203.0.113.9"],
    [["10.0.0.0/8"], "10.1.2.3", undefined, "10.1.2.3"],
    [["10.0.0.0/8"], "10.1.2.3", "203.0.113.9, evil", "10.1.2.3"],
    [["10.0.0.0/8"], "::ffff:10.1.2.3", "203.0.113.9", "203.0.113.9"],
    [["::1"], "::1", "2001:db8::7", "2001:db8::7"],
    [["127.0.0.1"], "127.0.0.1", "10.0.0.1", "10.0.0.1"],
  ])(
    "createAddressReader trusting %j reads of %s and %j the address %s",
    (trusted, peer, forwarded, expected) => {
      expect(read(trusted, peer, forwarded)).toBe(expected);
    },
  );

  test.each([
    ["10.0.0.0/8", true],
    ["::1", true],
    ["fd00::/8", true],
    ["10.0.0.0/33", false],
    ["10.0.0", false],
    ["proxy", false],
    ["10.0.0.0/8/8", false],
  ])("isNetwork of %s is %p", (text, expected) => {
    expect(isNetwork(text)).toBe(expected);
  });
});
