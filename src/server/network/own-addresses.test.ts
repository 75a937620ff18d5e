import { describe, expect, test } from "bun:test";
import type { NetworkInterfaceInfo } from "node:os";
import { sortAddresses } from "./own-addresses.ts";

const header = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
const route = (name: string, destination: string, mask: string, metric = 0) =>
  `${name}\t${destination}\t010200C0\t0003\t0\t0\t${metric}\t${mask}\t0\t0\t0   `;
const everything = (name: string, metric = 0) => route(name, "00000000", "00000000", metric);

function at(...addresses: readonly string[]): readonly NetworkInterfaceInfo[] {
  return addresses.map((address) => ({
    ...{ address, netmask: "255.255.255.0", mac: "02:00:00:00:00:01", cidr: `${address}/24` },
    ...(address.includes(":") ? { family: "IPv6" as const, scopeid: 0 } : { family: "IPv4" as const }),
    internal: address.startsWith("127."),
  }));
}

describe("sortAddresses", () => {
  test.each([
    [
      "the default route's interface first, engines' bridges last",
      {
        lo: at("127.0.0.1"),
        docker0: at("172.17.0.1"),
        "br-0123456789ab": at("172.18.0.1"),
        eth1: at("10.9.0.2"),
        wlan0: at("fe80::1", "192.168.1.20"),
      },
      [header, everything("wlan0", 600), route("docker0", "000011AC", "0000FFFF")],
      ["192.168.1.20", "10.9.0.2", "172.17.0.1", "172.18.0.1"],
    ],
    [
      "of two default routes the one with the lower metric first",
      { wlan0: at("192.168.1.20"), eth0: at("192.168.1.10") },
      [header, everything("wlan0", 600), everything("eth0", 100)],
      ["192.168.1.10", "192.168.1.20"],
    ],
    [
      "a bridge first that the default route leads over",
      { eth1: at("10.9.0.2"), bridge0: at("192.168.1.20") },
      [header, everything("bridge0")],
      ["192.168.1.20", "10.9.0.2"],
    ],
    [
      "the system's order where no route is known",
      { virbr0: at("192.168.122.1"), en0: at("10.0.0.4"), en1: at("10.1.0.4") },
      [],
      ["10.0.0.4", "10.1.0.4", "192.168.122.1"],
    ],
    ["none where there is only the machine itself", { lo: at("127.0.0.1") }, [header], []],
  ])("sortAddresses puts %s", (_, interfaces, routes, expected) => {
    expect(sortAddresses(interfaces, routes.join("\n"))).toEqual(expected);
  });
});
