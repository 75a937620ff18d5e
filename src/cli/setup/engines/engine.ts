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
  isVouchedForBy(authorities: string): Promise<boolean>;
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
  /**
   * The file that lets it speak with a registry without a check of who answers; `undefined` when none does, absent where there
   * is no such thing. @throws UsageError likewise
   */
  unchecked?(target: Target, machine: Machine): string | undefined;
  /** What it would do; absent where nobody pulls with it. @throws UsageError likewise */
  outlook?(target: Target, served: Served, machine: Machine): Promise<Outlook>;
  /** The folder that it keeps images in; absent where nobody pulls with it. @throws UsageError likewise */
  storage?(machine: Machine): string;
  /** The command that removes from there what is not used. */
  readonly makeRoom?: string;
}

/** Whether a registry is of this machine alone, with which docker and containerd speak plain HTTP unasked. */
export function isOnLoopback({ host }: Target): boolean {
  return /^(?:127\.|localhost$|::1$)/.test(host);
}

/** The file of one registry's authority in a folder such as `/etc/docker/certs.d`. */
export function authorityPath(folder: string, { registry }: Target): string {
  return `${folder}/${registry}/ca.crt`;
}

/** The files in a folder that engines take for authorities. https://docs.docker.com/engine/security/certificates/ */
export function certificatesIn(folder: string, machine: Machine): readonly string[] {
  return machine
    .list(folder)
    .filter((name) => name.endsWith(".crt"))
    .map((name) => `${folder}/${name}`);
}

/** What an engine does that trusts the authorities in these files, beside those of the system. */
export async function outlookByFiles(
  engine: string,
  files: readonly string[],
  served: Served,
  machine: Machine,
): Promise<Outlook> {
  if (served.scheme === "http") return { kind: "fails", because: `${engine} wants HTTPS of it` };
  const there = files.filter((file) => machine.read(file) !== undefined);
  for (const file of there) {
    if (await served.isVouchedForBy(machine.read(file) ?? ""))
      return { kind: "works", because: `it trusts ${file}` };
  }
  if (served.isTrustedBySystem) return { kind: "works", because: "it trusts the system's authorities" };
  const because =
    there.length === 0
      ? `${engine} does not trust its authority: no file of its settings has it`
      : `${there.join(" and ")} ${there.length === 1 ? "is" : "are"} of another authority than the registry's`;
  return { kind: "fails", because };
}
