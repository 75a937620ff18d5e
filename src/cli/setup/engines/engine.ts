import type { Machine } from "../machine.ts";
import type { PartOfPlan, Target } from "../plan.ts";

/** What an engine would do with a registry, as its files stand. */
export type Outlook =
  | { readonly kind: "works"; readonly because: string }
  | { readonly kind: "fails"; readonly because: string };

/** What is known of a registry when it is asked what an engine would do. */
export interface Served {
  readonly scheme: "https" | "http";
  /** Whether what the registry shows is vouched for by these authorities (PEM, Latin-1). */
  isVouchedForBy(authorities: string): boolean;
  /** Whether this machine's own list of authorities vouches for it. */
  readonly isTrustedBySystem: boolean;
}

/** Something that pulls and pushes, and has files that say whom it trusts. */
export interface Engine {
  readonly name: string;
  isInstalled(machine: Machine): boolean;
  /** How it comes to trust an authority (PEM) for one registry. @throws UsageError when a file is not what it should be */
  trust(target: Target, authority: string, machine: Machine): PartOfPlan;
  /** How it comes to speak plain HTTP with a registry; absent where there is no such thing. @throws UsageError likewise */
  allowPlainHttp?(target: Target, machine: Machine): PartOfPlan;
  /** What it would do; absent where nobody pulls with it. */
  outlook?(target: Target, served: Served, machine: Machine): Outlook;
}

/** The files of one registry's authorities in a folder such as `/etc/docker/certs.d`. */
export function authorityPath(folder: string, { registry }: Target): string {
  return `${folder}/${registry}/ca.crt`;
}

/** What an engine does that trusts an authority by one of these files. */
export function outlookByFiles(
  engine: string,
  files: readonly string[],
  served: Served,
  machine: Machine,
): Outlook {
  if (served.scheme === "http") return { kind: "fails", because: `${engine} wants HTTPS of it` };
  for (const file of files) {
    const text = machine.read(file);
    if (text === undefined) continue;
    if (served.isVouchedForBy(text)) return { kind: "works", because: `it trusts ${file}` };
    return { kind: "fails", because: `${file} is of another authority than the registry's` };
  }
  if (served.isTrustedBySystem) return { kind: "works", because: "it trusts the system's authorities" };
  return {
    kind: "fails",
    because: `${engine} does not trust its authority: there is no ${files.join(" or ")}`,
  };
}
