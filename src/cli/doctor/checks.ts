import type { Client } from "../../client/client.ts";
import type { RegistryName } from "../../oci/references.ts";
import type { Peer } from "../reach/handshake.ts";
import type { Machine } from "../setup/machine.ts";

/** What one check found. */
export interface Finding {
  /** `note` is for what works but should be known; `untried` for what something else stands in the way of. */
  readonly state: "fine" | "note" | "wrong" | "untried";
  readonly says: string;
  /** The command that mends it, as it can be run. */
  readonly mend?: string;
  /** Where to run it, what to look at before, or what to do where no command does it. */
  readonly hint?: string;
}

/** What the checks before have found out. */
export interface Facts {
  readonly registry: RegistryName;
  readonly host: string;
  readonly port: number;
  readonly machine: Machine;
  /** Where programs of this user keep their settings; `undefined` where nobody knows. */
  readonly configFolder: string | undefined;
  /** The repository that is asked for; of a person, or one that is there. */
  readonly repository: string | undefined;
  readonly isRepositoryGiven: boolean;
  /** User name of the login that is kept for the registry, `""` for a token. */
  readonly login: string | undefined;
  /** Makes a client that trusts an authority (PEM) too, with the login that is kept. */
  readonly open: (options: ClientOptions) => Client;
  readonly signal: AbortSignal;
  readonly addresses?: readonly string[];
  /** Who takes connections, or why nobody does. */
  readonly peer?: Peer;
  readonly scheme?: "https" | "http";
  /** The server's own certificate, DER. */
  readonly certificate?: Buffer;
  /** The authorities that vouch for it (PEM); none where those of the runtime do. */
  readonly authority?: string;
  readonly isTrustedBySystem?: boolean;
  /** What makes engines trust its authority. */
  readonly trust?: Pick<Finding, "mend" | "hint">;
  /** The answer to the question that every client begins with. */
  readonly answer?: { readonly status: number; readonly headers: ReadonlyMap<string, string> };
  readonly client?: Client;
}

/** How a client is made. */
export interface ClientOptions {
  readonly scheme: "https" | "http";
  readonly peer: Peer;
  readonly authority: string | undefined;
}

/** A finding, and what later checks may know from it. */
export interface Result extends Finding {
  readonly facts?: Partial<Facts>;
}

/** One thing that can be wrong between a machine and a registry. */
export interface Check {
  readonly name: string;
  /** Names of checks without which this one makes no sense. */
  readonly needs: readonly string[];
  /** @throws RegistryError, which is then what is wrong */
  run(facts: Facts): Promise<Result> | Result;
}

/** A finding with the name of its check. */
export interface NamedFinding extends Finding {
  readonly check: string;
}

/** Runs checks one after the other. One whose needs are not met is not tried. */
export async function examine(checks: readonly Check[], facts: Facts): Promise<readonly NamedFinding[]> {
  const findings = new Map<string, Finding>();
  let known = facts;
  for (const { name, needs, run } of checks) {
    const missing = needs.find((need) => !["fine", "note"].includes(findings.get(need)?.state ?? "untried"));
    if (missing !== undefined) {
      findings.set(name, { state: "untried", says: `not before ${missing} is fine` });
      continue;
    }
    facts.signal.throwIfAborted();
    const { facts: found, ...finding } = await tried(() => run(known));
    known = { ...known, ...found };
    findings.set(name, finding);
  }
  return [...findings].map(([check, finding]) => ({ check, ...finding }));
}

/** A command that only root may run. */
export function asRoot(command: string): string {
  return process.getuid?.() === 0 ? command : `sudo ${command}`;
}

async function tried(run: () => Promise<Result> | Result): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    return { state: "wrong", says: error instanceof Error ? error.message : String(error) };
  }
}
