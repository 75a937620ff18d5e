import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { isLoopback } from "../../client/transport.ts";
import { addressesOf } from "../reach/addresses.ts";
import { asRoot, type Check, type Facts, type Result } from "./checks.ts";

const connectTimeoutMs = 5000;

/** Whether the name is known on this machine. */
export const nameCheck: Check = {
  name: "name",
  needs: [],
  async run({ host, registry }) {
    const addresses = await addressesOf(host);
    if (addresses.length > 0)
      return { state: "fine", says: `${host} is ${addresses.join(", ")}`, facts: { addresses } };
    const says = `no address is known for ${host}`;
    if (host.endsWith(".local"))
      return { state: "wrong", says, mend: asRoot(`berth setup client ${registry}`) };
    const mend = asRoot(`berth setup client ${registry} --address IP`);
    return { state: "wrong", says, mend, hint: "with the server's address for IP" };
  },
};

/** Whether there is a way to the machine. */
export const routeCheck: Check = {
  name: "route",
  needs: ["name"],
  async run(facts) {
    const { host, port, addresses = [] } = facts;
    const tries = await Promise.all(
      addresses.map(async (address) => ({ address, code: await tryConnection(address, port) })),
    );
    const open = tries.find(({ code }) => code === undefined);
    if (open)
      return {
        state: "fine",
        says: `${open.address} answers`,
        facts: { peer: { host, port, address: open.address } },
      };
    const refusing = tries.find(({ code }) => code === "ECONNREFUSED");
    if (refusing) return { state: "fine", says: `${refusing.address} answers` };
    const [first] = tries;
    return {
      state: "wrong",
      says: `no way to ${tries.map(({ address, code }) => `${address} (${code})`).join(", ")}`,
      mend: `ip route get ${first?.address}`,
      hint: "which shows the way; is it still the server's address, and is a firewall between?",
    };
  },
};

/** Whether something listens there. */
export const portCheck: Check = {
  name: "port",
  needs: ["route"],
  run({ port, peer, addresses = [] }: Facts): Result {
    if (peer) return { state: "fine", says: `${port} takes connections` };
    const says = `nothing listens on port ${port} of ${addresses.join(", ")}`;
    const own = addresses.every(isLoopback) ? addresses[0] : undefined;
    if (own !== undefined) {
      const mend = `berth serve --listen ${isIPv6(own) ? `[${own}]` : own}:${port}`;
      return { state: "wrong", says, mend, hint: "where its berth-data is, or with --data" };
    }
    return {
      state: "wrong",
      says,
      mend: `berth serve --listen 0.0.0.0:${port}`,
      hint: "on the server",
    };
  },
};

/** Resolves to the code of what went wrong; `undefined` when a connection was made. */
async function tryConnection(host: string, port: number): Promise<string | undefined> {
  const begun = performance.now();
  const code = await connectionFault(host, port);
  // Bun says so of every connection that fails: tell a machine that refuses from one that is not there.
  if (code !== "ECONNREFUSED") return code;
  if (!(await hasRoute(host, port))) return "ENETUNREACH";
  return performance.now() - begun < longestRefusalMs ? code : "EHOSTUNREACH";
}

/** Who refuses does it at once; whether there is a machine at all is asked for about 3 s. */
const longestRefusalMs = 1500;

function connectionFault(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (code?: string): void => {
      socket.destroy();
      resolve(code);
    };
    socket.setTimeout(connectTimeoutMs, () => end("no answer"));
    socket.once("connect", () => end());
    socket.once("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}

/** Whether this machine knows a way to an address: connecting a datagram socket looks for one, and sends nothing. */
function hasRoute(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
    const end = (error?: unknown): void => {
      resolve(error === undefined || error === null);
      socket.close();
    };
    socket.once("error", end);
    socket.connect(port, address, end);
  });
}
