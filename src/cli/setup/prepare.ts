import { isIP } from "node:net";
import { createTransport } from "#transport";
import { TransportError } from "../../client/transport.ts";
import { quote, RegistryError } from "../../oci/errors.ts";
import type { RegistryName } from "../../oci/references.ts";
import { fingerprintOf } from "../../server/tls/certificates.ts";
import { UsageError } from "../command.ts";
import { hostOf } from "../reach/addresses.ts";
import { type Peer, shakeHands } from "../reach/handshake.ts";
import { fetchAuthority, readAuthority, requireFingerprint, requireVouched } from "./authority.ts";
import type { Engine } from "./engines/engine.ts";
import { engines } from "./engines/engines.ts";
import { planHostsLine } from "./hosts-file.ts";
import { type Found, locate } from "./locate.ts";
import type { Machine } from "./machine.ts";
import { joinParts, type PartOfPlan, type Plan, type Target } from "./plan.ts";

/** What a person wants a client to be set up for. */
export interface ClientWish {
  readonly registry: RegistryName;
  /** Where the server is, if its name does not say. */
  readonly address: string | undefined;
  /** Of its authority: 64 digits. */
  readonly fingerprint: string | undefined;
  /** A file with the authority's certificate. */
  readonly caFile: string | undefined;
  readonly insecure: boolean;
  /** Names of engines; all that are installed if empty. */
  readonly engines: readonly string[];
}

/** Everything that is known before anything is changed. */
export interface Prepared {
  readonly target: Target;
  readonly found: Found;
  readonly scheme: "https" | "http";
  /** PEM; absent for plain HTTP, and where this machine trusts the server already. */
  readonly authority: string | undefined;
  readonly plan: Plan;
}

/** Asks a person whether a fingerprint is right. @throws when it is not, or nobody can be asked */
export type ConfirmFingerprint = (fingerprint: string) => Promise<void>;

/**
 * Finds the server, makes sure of it, and plans what has to change; changes nothing.
 * @throws UsageError, RegistryError with what is wrong and what to do
 */
export async function prepareClient(
  wish: ClientWish,
  machine: Machine,
  confirm: ConfirmFingerprint,
): Promise<Prepared> {
  const { registry, insecure } = wish;
  const { host, port } = hostOf(registry);
  const target: Target = { registry, host };
  const chosen = chooseEngines(wish.engines, machine);
  const found = await locate(host, wish.address, machine);
  const peer: Peer = { host, port, address: found.address };
  const hosts = found.isKnown ? {} : planHostsLine(machine, host, found.address);
  if (insecure) {
    await requirePlainHttp(target, found, peer);
    const able = requireSome(chosen.filter(({ allowPlainHttp }) => allowPlainHttp !== undefined));
    const parts = able.map((engine) => engine.allowPlainHttp?.(target, machine) ?? {});
    return { target, found, scheme: "http", authority: undefined, plan: joinParts([hosts, ...parts]) };
  }
  const authority = await agreeOnAuthority(wish, peer, confirm);
  const parts =
    authority === undefined
      ? []
      : requireSome(chosen).map((engine) => engine.trust(target, authority, machine));
  const unchecked = chosen.map((engine) => adviseToCheck(engine, target, machine));
  return { target, found, scheme: "https", authority, plan: joinParts([hosts, ...parts, ...unchecked]) };
}

function chooseEngines(names: readonly string[], machine: Machine): readonly Engine[] {
  if (names.length === 0) return engines.filter((engine) => engine.isInstalled(machine));
  return names.map((name) => {
    const engine = engines.find((one) => one.name === name);
    if (engine) return engine;
    throw new UsageError(`--engine is ${quote(name)}: expected ${engines.map((one) => one.name).join(", ")}`);
  });
}

/** What is left to do where an engine was once allowed plain HTTP: it would go on to check nothing. */
function adviseToCheck({ name, unchecked }: Engine, target: Target, machine: Machine): PartOfPlan {
  const file = unchecked?.(target, machine);
  if (file === undefined) return {};
  const { registry } = target;
  const what = `${file} still lets ${name} speak with ${registry} unchecked: take that out of it; `;
  const own = `if --insecure wrote it, run berth setup client ${registry} --undo, and then this again`;
  return { advice: [what + own] };
}

/** @throws UsageError when there is nobody to tell, so that nothing would be set up */
function requireSome(chosen: readonly Engine[]): readonly Engine[] {
  if (chosen.length > 0) return chosen;
  const names = engines.map(({ name }) => name).join(", ");
  throw new UsageError(
    `nothing is installed here that could be told of it (${names}): name what will be with --engine; nothing was changed`,
  );
}

/** The authority that vouches for the server, after somebody vouched for it; `undefined` where none is needed. */
async function agreeOnAuthority(
  { registry, fingerprint, caFile }: ClientWish,
  peer: Peer,
  confirm: ConfirmFingerprint,
): Promise<string | undefined> {
  if (
    fingerprint === undefined &&
    caFile === undefined &&
    (await shake(peer, registry)).distrust === undefined
  )
    return undefined;
  const authority = caFile === undefined ? await fetch(peer, registry) : await readAuthority(caFile);
  if (fingerprint !== undefined) requireFingerprint(authority, fingerprint, registry);
  await requireVouched(peer, registry, authority);
  if (fingerprint === undefined && caFile === undefined) await confirm(fingerprintOf(authority));
  return authority;
}

async function shake(peer: Peer, registry: string) {
  return saying(registry, peer, () => shakeHands(peer));
}

async function fetch(peer: Peer, registry: string): Promise<string> {
  return saying(registry, peer, () => fetchAuthority(peer, registry));
}

/** Says of a failed connection what to do. */
async function saying<T>(registry: string, { address, port, host }: Peer, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    if (!(cause instanceof TransportError)) throw cause;
    const advice =
      cause.failure === "no-tls"
        ? `it speaks no HTTPS: run berth setup server ${host} on the server and start it again, or add --insecure`
        : `check that berth serve --listen 0.0.0.0:${port} runs there, and that no firewall is between`;
    const at = isIP(host) ? "" : ` at ${address}`;
    throw new RegistryError("UNAVAILABLE", `cannot reach ${registry}${at} (${cause.message}): ${advice}`, {
      cause,
    });
  }
}

/** @throws RegistryError UNAVAILABLE when no registry answers in plain HTTP */
async function requirePlainHttp(target: Target, found: Found, peer: Peer): Promise<void> {
  const { registry } = target;
  const asked = statusOf({ target, found, scheme: "http", authority: undefined }, true);
  const [answer] = await Promise.allSettled([asked]);
  if (answer.status === "fulfilled" && (answer.value === 200 || answer.value === 401)) return;
  if (await speaksTls(peer))
    throw new RegistryError("UNAVAILABLE", `${registry} speaks HTTPS, no plain HTTP: leave out --insecure`);
  if (answer.status === "rejected") throw answer.reason;
  throw new RegistryError(
    "UNAVAILABLE",
    `${registry} answered with status ${answer.value} in plain HTTP: is a registry there?`,
  );
}

function speaksTls(peer: Peer): Promise<boolean> {
  return shakeHands(peer).then(
    () => true,
    () => false, // whatever stands in the way, what was asked before says it
  );
}

/**
 * Asks the registry the question that every client begins with. Resolves to the status of its answer.
 * @param atAddress at the address that was found, else as every program on this machine finds it
 * @throws RegistryError UNAVAILABLE
 */
export async function statusOf(
  { target: { registry, host }, found, scheme, authority }: Omit<Prepared, "plan">,
  atAddress: boolean,
): Promise<number> {
  const transport = createTransport({
    proxies: false,
    ...(authority === undefined ? {} : { authorities: [authority] }),
    ...(atAddress ? { addressOf: () => found.address } : {}),
  });
  const url = new URL(`${scheme}://${registry}/v2/`);
  const { port } = hostOf(registry);
  try {
    return await saying(registry, { address: found.address, port, host }, async () => {
      const { status, body } = await transport.send({ method: "GET", url, headers: {} });
      await body.cancel();
      return status;
    });
  } finally {
    transport.close();
  }
}
