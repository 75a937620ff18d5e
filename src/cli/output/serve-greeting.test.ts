import { describe, expect, test } from "bun:test";
import { loadSettings } from "../../server/settings/settings.ts";
import { tlsNames } from "../../server/tls/names.ts";
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

  test.each([
    [{ listen: "0.0.0.0:5000" }, ["registry.local"], "registry.local:5000 --address 192.0.2.7"],
    [{ listen: "0.0.0.0:5000", mdns: "Registry.local" }, ["registry.local"], "registry.local:5000"],
    [{ listen: "0.0.0.0:5001" }, ["203.0.113.9"], "203.0.113.9:5001"],
    [{ listen: "0.0.0.0:5000" }, [], "192.0.2.7:5000"],
    [{ listen: "0.0.0.0:443" }, ["registry.lan", "203.0.113.9"], "registry.lan --address 203.0.113.9"],
    [{ listen: "198.51.100.7:5000" }, ["registry.lan"], "registry.lan:5000 --address 198.51.100.7"],
    [{ listen: "[::]:5000" }, ["2001:db8::1"], '"[2001:db8::1]:5000"'],
    [
      { listen: "0.0.0.0:5000", "public-url": "https://registry.example.com" },
      ["a.lan"],
      "registry.example.com",
    ],
  ])(
    "of %j with a certificate of its own authority for %j tells what each client runs",
    (settings, names, expected) => {
      const flags: Readonly<Record<string, string>> = settings;
      const authority = { fingerprint: "4f0c", asked: tlsNames(names) };
      const certificateNames = [...names, "localhost", "127.0.0.1", "192.0.2.7"];
      const address = `https://${flags.listen}`;
      const text = greet(flags, { address, authority, certificateNames });
      expect(text).toContain(`\n  trust   berth setup client ${expected} --fingerprint 4f0c\n`);
    },
  );

  test("leaves the address blank where it is not known how other machines reach this one", () => {
    const listen = "0.0.0.0:5000";
    const authority = { fingerprint: "4f0c", asked: tlsNames(["registry.lan"]) };
    expect(greet({ listen }, { address: `https://${listen}`, authority, addresses: [] })).toContain(
      "  trust   berth setup client registry.lan:5000 --address ADDRESS-OF-THIS-MACHINE --fingerprint 4f0c\n",
    );
  });

  test("foretells that clients refuse the certificate", () => {
    expect(greet({}, { certificateFault: "the certificate is for a, not for b" })).toContain(
      "  note    the certificate is for a, not for b\n",
    );
  });
});

describe("firstAccount", () => {
  const first = { name: "admin", password: "secret" };

  test("firstAccount names an address that can be asked", () => {
    const text = firstAccount(first, loadSettings({ listen: "0.0.0.0:5000" }, {}), []);
    expect(text).toContain("the password secret");
    expect(text).toContain(
      "berth login 127.0.0.1:5000 --username admin && berth user passwd 127.0.0.1:5000\n",
    );
  });

  test("firstAccount says by what the command trusts a local authority", () => {
    const settings = loadSettings({ listen: "0.0.0.0:5000", "tls.folder": "/srv/my tls" }, {});
    expect(firstAccount(first, settings, ["registry.local", "127.0.0.1"])).toContain(
      'berth login 127.0.0.1:5000 --username admin --ca-file "/srv/my tls/authority.pem" && ' +
        'berth user passwd 127.0.0.1:5000 --ca-file "/srv/my tls/authority.pem"\n',
    );
  });
});
