import { describe, expect, test } from "bun:test";
import { loadSettings } from "../../server/settings.ts";
import { firstAccount, greeting, type StartedServer } from "./serve-greeting.ts";

const started: StartedServer = {
  address: "http://127.0.0.1:5000",
  access: "open",
  certificateNames: [],
  certificateFault: undefined,
  addresses: ["192.0.2.7", "198.51.100.7"],
};

function greet(flags: Readonly<Record<string, string>>, server: Partial<StartedServer> = {}): string {
  return greeting(loadSettings(flags, {}), { ...started, ...server });
}

describe("greeting", () => {
  test.each([
    ["127.0.0.1:5000", [], "127.0.0.1:5000"],
    ["0.0.0.0:5000", [], "127.0.0.1:5000"],
    ["[::]:5000", [], "[::1]:5000"],
    ["0.0.0.0:5000", ["registry.local", "192.0.2.7"], "registry.local:5000"],
    ["0.0.0.0:5000", ["192.0.2.7"], "192.0.2.7:5000"],
    ["0.0.0.0:5000", ["*.example.com", "registry.example.com"], "registry.example.com:5000"],
    ["0.0.0.0:5000", ["*.example.com"], "127.0.0.1:5000"],
    ["0.0.0.0:5000", ["127.0.0.1", "registry.local"], "127.0.0.1:5000"],
    ["[::]:5000", ["2001:db8::1"], "[2001:db8::1]:5000"],
  ])("of a server on %s with a certificate for %j names %s to clients", (listen, certificateNames, host) => {
    const scheme = certificateNames.length > 0 ? "https" : "http";
    const text = greet(
      { listen },
      { address: `${scheme}://${listen}`, certificateNames, access: "accounts" },
    );
    expect(text).toContain(`\n  docker login ${host}\n  docker tag alpine ${host}/library/alpine\n`);
  });

  test("names public-url's host where there is one", () => {
    const text = greet({ listen: "0.0.0.0:5000", "public-url": "https://registry.example.com/x" });
    expect(text).toContain("docker push registry.example.com/library/alpine");
    expect(text).not.toContain("note");
  });

  test("says how other machines reach a server that listens on all addresses", () => {
    const listen = "0.0.0.0:5000";
    const text = greet({ listen }, { address: `http://${listen}` });
    expect(text).toContain(
      "  others  reach it at 192.0.2.7:5000, 198.51.100.7:5000\n  note    docker on other machines wants HTTPS",
    );
    expect(greet({})).not.toContain("others");
  });

  test("foretells that clients refuse the certificate", () => {
    expect(greet({}, { certificateFault: "the certificate is for a, not for b" })).toContain(
      "  note    the certificate is for a, not for b\n",
    );
  });
});

test("firstAccount names an address that can be asked", () => {
  const text = firstAccount(
    { name: "admin", password: "secret" },
    loadSettings({ listen: "0.0.0.0:5000" }, {}),
  );
  expect(text).toContain("the password secret");
  expect(text).toContain("berth user passwd 127.0.0.1:5000 admin");
});
