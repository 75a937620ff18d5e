import { describe, expect, test } from "bun:test";
import { createForwarding, type ForwardingSettings } from "./forwarding.ts";

const proxies = ["10.0.0.0/8"];

/** What is read of a request for `http://berth:5000/v2/`. */
function read(
  options: Partial<ForwardingSettings>,
  headers: Readonly<Record<string, string>> = {},
  peer = "10.1.2.3",
) {
  const forwarding = createForwarding({
    ...{ "trusted-proxies": proxies, "proxy-headers": "x-forwarded" },
    ...options,
  });
  const request = new Request("http://berth:5000/v2/", { headers: { host: "berth:5000", ...headers } });
  const connection = { timeout: () => {}, requestIP: () => ({ address: peer }) };
  return {
    address: forwarding.addressOf(request, connection),
    base: forwarding.baseUrlOf(request, connection),
    prefix: forwarding.prefixOf(request, connection),
  };
}

describe("addressOf", () => {
  test.each([
    [[], "192.0.2.1", "203.0.113.9", "192.0.2.1"],
    [proxies, "192.0.2.1", "203.0.113.9", "192.0.2.1"],
    [proxies, "10.1.2.3", "203.0.113.9", "203.0.113.9"],
    [proxies, "10.1.2.3", "198.51.100.7, 203.0.113.9, 10.9.9.9", "203.0.113.9"],
    [proxies, "10.1.2.3", "203.0.113.9, evil", "10.1.2.3"],
    [proxies, "10.1.2.3", "10.7.7.7", "10.7.7.7"],
    [proxies, "10.1.2.3", "10.7.7.7, 10.9.9.9", "10.7.7.7"],
    [proxies, "::ffff:10.1.2.3", "203.0.113.9", "203.0.113.9"],
    [["::1"], "::1", "2001:db8::7", "2001:db8::7"],
    [["127.0.0.1"], "127.0.0.1", "10.0.0.1", "10.0.0.1"],
  ])("addressOf trusting %j reads of %s and %j the address %s", (trustedProxies, peer, chain, expected) => {
    expect(read({ "trusted-proxies": trustedProxies }, { "x-forwarded-for": chain }, peer).address).toBe(
      expected,
    );
  });

  test("addressOf is the peer when a trusted proxy says nothing", () => {
    expect(read({}).address).toBe("10.1.2.3");
  });
});

describe("X-Forwarded-*", () => {
  const tls = { "x-forwarded-proto": "https" };
  const all = { ...tls, "x-forwarded-host": "registry.example.com:8443", "x-forwarded-prefix": "/registry/" };

  test("a trusted proxy says scheme, host and prefix", () => {
    const { base, prefix } = read({}, all);
    expect({ base, prefix }).toEqual({
      base: "https://registry.example.com:8443/registry",
      prefix: "/registry",
    });
  });

  test("the first of several is what the client asked for", () => {
    const chained = { "x-forwarded-proto": "https, http", "x-forwarded-host": "a.example, b.example" };
    expect(read({}, chained).base).toBe("https://a.example");
  });

  test("who is no trusted proxy is not believed", () => {
    expect(read({}, all, "192.0.2.1")).toEqual({
      ...{ address: "192.0.2.1", base: "http://berth:5000", prefix: "" },
    });
  });

  test("where no proxy is named, the scheme alone is believed", () => {
    const { base, prefix } = read({ "trusted-proxies": [] }, all, "192.0.2.1");
    expect({ base, prefix }).toEqual({ base: "https://berth:5000", prefix: "" });
  });

  test.each([
    [{ "x-forwarded-host": 'a"b' }, "http://berth:5000"],
    [{ "x-forwarded-host": "a/b" }, "http://berth:5000"],
    [{ "x-forwarded-host": "" }, "http://berth:5000"],
    [{ "x-forwarded-host": "[2001:db8::1]:5000" }, "http://[2001:db8::1]:5000"],
    [{ "x-forwarded-proto": "gopher" }, "http://berth:5000"],
    [{ "x-forwarded-prefix": "/a/b" }, "http://berth:5000/a/b"],
    [{ "x-forwarded-prefix": "/" }, "http://berth:5000"],
    [{ "x-forwarded-prefix": "//evil.example" }, "http://berth:5000"],
    [{ "x-forwarded-prefix": "/a/../b" }, "http://berth:5000"],
    [{ "x-forwarded-prefix": '/a"' }, "http://berth:5000"],
    [{ forwarded: "host=evil.example;proto=https" }, "http://berth:5000"],
  ])("what has not the right form is left out: %j", (headers, expected) => {
    expect(read({}, headers).base).toBe(expected);
  });
});

describe("Forwarded", () => {
  const forwarded = (header: string, peer?: string) =>
    read({ "proxy-headers": "forwarded" }, { forwarded: header }, peer);

  test("the outermost trusted proxy says address, scheme and host", () => {
    const header =
      "for=198.51.100.7;host=evil.example, for=203.0.113.9;proto=https;host=registry.example.com, for=10.9.9.9;proto=http";
    expect(forwarded(header)).toEqual({
      ...{ address: "203.0.113.9", base: "https://registry.example.com", prefix: "" },
    });
  });

  test.each([
    ['for="[2001:db8::1]:4711"', "2001:db8::1"],
    ["for=_hidden", "10.1.2.3"],
    ["nonsense", "10.1.2.3"],
  ])("of %s the address is %s", (header, address) => {
    expect(forwarded(header).address).toBe(address);
  });

  test("who is no trusted proxy is not believed", () => {
    expect(forwarded("for=203.0.113.9;host=evil.example", "192.0.2.1")).toEqual({
      ...{ address: "192.0.2.1", base: "http://berth:5000", prefix: "" },
    });
  });

  test("headers of the other kind, which a client may have written, are not read", () => {
    const headers = { "x-forwarded-for": "203.0.113.9", "x-forwarded-host": "evil.example" };
    expect(read({ "proxy-headers": "forwarded" }, { ...headers, forwarded: "proto=https" })).toEqual({
      ...{ address: "10.1.2.3", base: "https://berth:5000", prefix: "" },
    });
  });
});

describe("public-url", () => {
  test.each([
    ["https://registry.example.com", "https://registry.example.com", ""],
    ["https://example.com/registry/", "https://example.com/registry", "/registry"],
  ])("%s says where this server is, whatever the request says", (publicUrl, base, prefix) => {
    const headers = { "x-forwarded-host": "other.example", "x-forwarded-prefix": "/other" };
    expect(read({ "public-url": publicUrl }, headers)).toMatchObject({ base, prefix });
  });
});
