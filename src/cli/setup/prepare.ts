import { quote } from "../../oci/errors.ts";
import type { RegistryName } from "../../oci/references.ts";
import { fingerprintOf } from "../../server/tls/certificates.ts";
import { UsageError } from "../command.ts";
import { hostOf } from "../reach/addresses.ts";
import { type Peer, shakeHands } from "../reach/handshake.ts";
import { type Asked, requirePlainHttp, saying } from "./asking.ts";
import { fetchAuthority, readAuthority, requireFingerprint, requireVouched } from "./authority.ts";
import type { Engine } from "./engines/engine.ts";
import { engines } from "./engines/engines.ts";
import { planHostsLine } from "./hosts-file.ts";
import { locate } from "./locate.ts";
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
export interface Prepared extends Asked {
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
  const ask = <T>(act: () => Promise<T>): Promise<T> => saying(registry, peer, act);
  const isUnvouched = fingerprint === undefined && caFile === undefined;
  if (isUnvouched && (await ask(() => shakeHands(peer))).distrust === undefined) return undefined;
  const authority =
    caFile === undefined ? await ask(() => fetchAuthority(peer, registry)) : await readAuthority(caFile);
  if (fingerprint !== undefined) requireFingerprint(authority, fingerprint, registry);
  await requireVouched(peer, registry, authority);
  if (isUnvouched) await confirm(fingerprintOf(authority));
  return authority;
}
