import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A program that listens on a port. */
export interface PortHolder {
  readonly name: string;
  readonly processId: number;
}

/** The state "listening" in the tables of sockets. https://docs.kernel.org/networking/proc_net_tcp.html */
const listening = "0A";

/** Who listens on a TCP port of this machine; undefined where the system does not say, or not to this user. */
export function findPortHolder(port: number): PortHolder | undefined {
  const sockets = new Set(["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) => listenersIn(table, port)));
  if (sockets.size === 0) return undefined;
  for (const name of namesIn("/proc")) {
    if (!/^\d+$/.test(name) || !holdsOne(`/proc/${name}/fd`, sockets)) continue;
    return { name: readText(`/proc/${name}/comm`).trim(), processId: Number(name) };
  }
  return undefined;
}

/** The sockets that listen on a port, as links in a process's folder name them. */
function listenersIn(table: string, port: number): readonly string[] {
  return readText(table)
    .split("\n")
    .flatMap((line) => {
      const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
      const isOne =
        state === listening && Number.parseInt(local.slice(local.lastIndexOf(":") + 1), 16) === port;
      return isOne ? [`socket:[${inode}]`] : [];
    });
}

function holdsOne(folder: string, sockets: ReadonlySet<string>): boolean {
  return namesIn(folder).some((name) => {
    try {
      return sockets.has(readlinkSync(`${folder}/${name}`));
    } catch {
      return false; // closed meanwhile
    }
  });
}

// Where these cannot be read, nothing is known: there is no such table, the process has ended, or is another user's.
function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
