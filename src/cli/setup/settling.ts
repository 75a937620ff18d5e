import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Plan } from "./plan.ts";

/** Programs written in Go look at /etc/hosts no more often. https://github.com/golang/go/blob/go1.22.0/src/net/hosts.go */
export const hostsLifetimeMs = 5000;

/** Programs that stay, and find registries for others. */
const daemons = ["dockerd", "containerd", "buildkitd", "crio"];

/**
 * The programs that may not know for {@link hostsLifetimeMs} what a plan that was carried out now wrote into /etc/hosts:
 * those that run, and have looked there before. None where nothing was written there.
 */
export function unawareOf({ files }: Pick<Plan, "files">): readonly string[] {
  if (!files.some(({ path }) => path === "/etc/hosts")) return [];
  const running = new Set(processNames());
  return daemons.filter((name) => running.has(name));
}

/** Waits until everybody knows. @throws the signal's reason */
export async function untilHostsAreRead(signal: AbortSignal): Promise<void> {
  await sleep(hostsLifetimeMs, undefined, { signal }).catch(() => signal.throwIfAborted());
}

function processNames(): readonly string[] {
  try {
    return readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? nameOf(name) : []));
  } catch {
    return []; // a system without this
  }
}

function nameOf(id: string): readonly string[] {
  try {
    return [readFileSync(`/proc/${id}/comm`, "utf8").trim()];
  } catch {
    return []; // it has ended meanwhile
  }
}
