import { describe, expect, test } from "bun:test";
import { tlsNames } from "../../server/tls/names.ts";
import { clientCommand, registryAt, serveCommand } from "./server-commands.ts";

const addresses = ["192.0.2.7", "172.17.0.1"];

describe("serveCommand", () => {
  test.each([
    [{ asked: ["registry.lan"], port: "5000" }, [], "--listen 0.0.0.0:5000 --open=pull"],
    [
      { asked: ["registry.local"], port: "5000", mdns: "registry.local" },
      ["--data", "/srv/my data"],
      '--listen 0.0.0.0:5000 --mdns registry.local --data "/srv/my data" --open=pull',
    ],
    [{ asked: ["fd00::1"], port: "443" }, [], '--listen "[::]:443" --open=pull'],
  ])("of %j with %j is %s", ({ asked, ...rest }, place, expected) => {
    const server = { ...rest, asked: tlsNames(asked), addresses };
    expect(serveCommand(server, place)).toBe(`berth serve ${expected}`);
  });
});

describe("clientCommand", () => {
  test.each([
    [{ asked: ["registry.local"], port: "5000", mdns: "registry.local" }, "registry.local:5000"],
    [{ asked: ["registry.lan"], port: "5000" }, "registry.lan:5000 --address 192.0.2.7"],
    [{ asked: ["10.0.0.5", "registry.lan"], port: "8443" }, "registry.lan:8443 --address 10.0.0.5"],
    [{ asked: ["10.0.0.5"], port: "5000" }, "10.0.0.5:5000"],
    [{ asked: [], port: "5000" }, "192.0.2.7:5000"],
    [{ asked: ["localhost"], port: "5000" }, "localhost:5000"],
    [{ asked: ["fd00::1"], port: "443" }, '"[fd00::1]:443"'],
  ])("of %j is %s", ({ asked, ...rest }, expected) => {
    const server = { ...rest, asked: tlsNames(asked), addresses };
    expect(clientCommand(server, "4f0c")).toBe(`berth setup client ${expected} --fingerprint 4f0c`);
  });
});

describe("registryAt", () => {
  test.each([
    ["registry.local", "443", "registry.local"],
    ["registry", "443", "registry:443"],
    ["registry.local", "5000", "registry.local:5000"],
    ["10.0.0.5", "443", "10.0.0.5"],
    ["fd00::1", "5000", "[fd00::1]:5000"],
  ])("of %s and port %s is %s", (host, port, expected) => {
    expect(registryAt(host, port)).toBe(expected);
  });
});
