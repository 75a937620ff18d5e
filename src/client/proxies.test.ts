import { describe, expect, test } from "bun:test";
import { proxiesOf, proxyFor } from "./proxies.ts";

const proxy = "http://proxy.test:3128/";
const isDirect = (address: string, except: string) =>
  proxyFor(new URL(address), { http: proxy, https: proxy, except }) === undefined;

describe("proxiesOf", () => {
  test("proxiesOf reads both cases and passes over what is empty", () => {
    expect(proxiesOf({ HTTP_PROXY: "a", https_proxy: "b", no_proxy: "c" })).toEqual({
      http: "a",
      https: "b",
      except: "c",
    });
    expect(proxiesOf({ HTTPS_PROXY: "A", https_proxy: "b", HTTP_PROXY: "" })).toEqual({ https: "A" });
  });
});

describe("proxyFor", () => {
  test("proxyFor goes by the scheme of what is reached, and takes a proxy without one for HTTP", () => {
    const settings = { http: "plain.test:1", https: "https://secure.test" };
    expect(proxyFor(new URL("http://r.test/"), settings)?.href).toBe("http://plain.test:1/");
    expect(proxyFor(new URL("https://r.test/"), settings)?.href).toBe("https://secure.test/");
    expect(proxyFor(new URL("https://r.test/"), { http: proxy })).toBeUndefined();
  });

  test.each([
    "http://localhost",
    "http://127.0.0.1:5000",
    "https://127.9.8.7",
    "http://[::1]",
    "http://a.localhost",
  ])("proxyFor reaches %s directly", (address) => {
    expect(isDirect(address, "")).toBe(true);
  });

  test.each([
    ["example.com", "https://example.com", true],
    ["example.com", "https://r.example.com", true],
    ["example.com", "https://notexample.com", false],
    [".example.com", "https://example.com", false],
    [".example.com", "https://r.example.com", true],
    ["*.example.com", "https://r.example.com", true],
    ["other.test, EXAMPLE.com", "https://example.com", true],
    ["example.com:5000", "https://example.com:5000", true],
    ["example.com:5000", "https://example.com", false],
    ["example.com:443", "https://example.com", true],
    ["*", "https://example.com", true],
    ["10.0.0.0/8", "http://10.1.2.3", true],
    ["10.0.0.0/8", "http://11.1.2.3", false],
    ["10.0.0.0/99", "http://10.1.2.3", false],
    ["192.168.1.7", "http://192.168.1.7:5000", true],
    ["fd00::/8", "http://[fd12::1]:5000", true],
    ["fd12::1", "http://[fd12::1]:5000", true],
    ["[fd12::1]:5000", "http://[fd12::1]:5000", true],
    [",", "https://example.com", false],
    ["", "https://example.com", false],
  ])("proxyFor with the exceptions %s at %s: direct is %s", (except, address, expected) => {
    expect(isDirect(address, except)).toBe(expected);
  });
});
