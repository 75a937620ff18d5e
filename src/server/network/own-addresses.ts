import { existsSync, readFileSync } from "node:fs";
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import { errorCode } from "../../registry/files/durable.ts";

/** IPv4 addresses of this machine in networks that it shares with others, the likeliest to be reached first. */
export function ownAddresses(): readonly string[] {
  return sortAddresses(networkInterfaces(), readRoutes());
}

/** Those by which others reach this machine's ports. In a container of docker or podman, nobody knows from inside. */
export function reachableAddresses(): readonly string[] {
  const isInContainer = ["/.dockerenv", "/run/.containerenv"].some((file) => existsSync(file));
  return isInContainer ? [] : ownAddresses();
}

/** Networks that container engines and virtual machines have within this machine alone. */
const withinThisMachine =
  /^(?:docker|br-|bridge|podman|cni|flannel|cali|kube|veth|virbr|lxc|lxdbr|incusbr|vmnet|vboxnet)/;

/**
 * The IPv4 addresses of interfaces: first those of the interface of the default route, which leads to everybody else, last
 * those of networks within the machine.
 * @param interfaces as the system lists them
 * @param routes the kernel's table, /proc/net/route; empty where there is none
 */
export function sortAddresses(
  interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>,
  routes: string,
): readonly string[] {
  const byDefault = defaultInterfaces(routes);
  const rank = (name: string): number => {
    const place = byDefault.indexOf(name);
    if (place >= 0) return place;
    return byDefault.length + (withinThisMachine.test(name) ? 1 : 0);
  };
  return Object.entries(interfaces)
    .toSorted(([a], [b]) => rank(a) - rank(b))
    .flatMap(([, list = []]) =>
      list.filter(({ family, internal }) => family === "IPv4" && !internal).map(({ address }) => address),
    );
}

/** The interfaces of default routes, that of the lowest metric first. https://docs.kernel.org/filesystems/proc.html */
function defaultInterfaces(routes: string): readonly string[] {
  return routes
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, destination, , , , , , mask]) => destination === "00000000" && mask === "00000000")
    .toSorted(([, , , , , , a], [, , , , , , b]) => Number(a) - Number(b))
    .map(([name = ""]) => name);
}

function readRoutes(): string {
  try {
    return readFileSync("/proc/net/route", "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return ""; // not Linux
    throw error;
  }
}
