import { describe, expect, test } from "bun:test";
import { createNetworks, isNetwork, peerOf } from "./addresses.ts";

describe("createNetworks", () => {
  test.each([
    [["10.0.0.0/8"], "10.1.2.3", true],
    [["10.0.0.0/8"], "11.1.2.3", false],
    [["::1", "192.0.2.1"], "192.0.2.1", true],
    [["fd00::/8"], "fd12::1", true],
    [["0.0.0.0/0"], "unknown", false],
    [[], "10.1.2.3", false],
  ])("createNetworks of %j has %s: %p", (networks, address, expected) => {
    expect(createNetworks(networks)(address)).toBe(expected);
  });
});

describe("isNetwork", () => {
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

test("peerOf gives an IPv4 address as such when it came over an IPv6 socket", () => {
  const connection = { timeout: () => {}, requestIP: () => ({ address: "::ffff:10.1.2.3" }) };
  expect(peerOf(new Request("http://berth/"), connection)).toBe("10.1.2.3");
});
