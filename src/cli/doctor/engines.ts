import { isRegistryError } from "../../oci/errors.ts";
import { formatSize } from "../output/units.ts";
import { shakeHands } from "../reach/handshake.ts";
import type { Engine, Outlook } from "../setup/engines/engine.ts";
import { engines } from "../setup/engines/engines.ts";
import { asRoot, type Check, type Facts, type Result } from "./checks.ts";

/** An engine that can do what it does with a registry, as far as it can be asked. */
type Puller = Engine & Required<Pick<Engine, "outlook">>;

/** What each engine that is installed would do, as its files stand. */
export const engineChecks: readonly Check[] = engines.filter(isPuller).map((engine) => ({
  name: engine.name,
  needs: ["certificate"],
  run: (facts) => checkEngine(engine, facts),
}));

function isPuller(engine: Engine): engine is Puller {
  return engine.outlook !== undefined;
}

async function checkEngine(engine: Puller, facts: Facts): Promise<Result> {
  const { machine, registry, scheme = "https" } = facts;
  if (!engine.isInstalled(machine)) return { state: "untried", says: "it is not installed here" };
  try {
    const { kind, because } = await outlookOf(engine, facts);
    if (kind === "works") return roomFor(engine, facts) ?? checkingOf(engine, facts, because);
    const insecure = { mend: asRoot(`berth setup client ${registry} --insecure`) };
    return { state: "wrong", says: because, ...(scheme === "http" ? insecure : facts.trust) };
  } catch (error) {
    if (!isRegistryError(error, "DENIED")) throw error;
    return { state: "untried", says: error.message, mend: asRoot(`berth doctor ${registry}`) };
  }
}

function outlookOf({ outlook }: Puller, facts: Facts): Promise<Outlook> {
  const { machine, registry, host, peer, scheme = "https", isTrustedBySystem = false } = facts;
  const isVouchedForBy = async (authorities: string): Promise<boolean> =>
    peer !== undefined && (await shakeHands(peer, [authorities])).distrust === undefined;
  return outlook({ registry, host }, { scheme, isTrustedBySystem, isVouchedForBy }, machine);
}

/** That it works, and whether it works because it checks nothing. */
function checkingOf({ unchecked }: Engine, facts: Facts, because: string): Result {
  const file = facts.scheme === "https" ? unchecked?.(facts, facts.machine) : undefined;
  if (file === undefined) return { state: "fine", says: because };
  return { state: "note", says: because, hint: `take it out of ${file}, so that it checks who answers` };
}

/** What engines that run without root read of their user's settings, instead of what is in /etc. */
const ownSettings = [
  "docker/daemon.json",
  "docker/certs.d",
  "systemd/user/docker.service",
  "containers/registries.conf",
  "containers/certs.d",
  "buildkit/buildkitd.toml",
];

/** Whether this user has engines of their own, whose settings neither this nor setup looks at. */
export const ownSettingsCheck: Check = {
  name: "own engines",
  needs: [],
  run({ configFolder, machine }) {
    const all = configFolder === undefined ? [] : ownSettings.map((name) => `${configFolder}/${name}`);
    const found = all.filter((path) => machine.has(path));
    if (found.length === 0) return { state: "fine", says: "no engine has settings of this user's own" };
    const says = `engines that run without root read ${found.join(", ")}, and were not looked at`;
    const hint = "what they need beside what is in /etc: docs/local-network.md, Engines without root";
    return { state: "note", says, hint };
  },
};

/** Less than this is little for an engine that pulls images. */
const littleBytes = 1024 ** 3;

/** Whether it has room for what it pulls; `undefined` when it has. */
function roomFor({ storage, makeRoom }: Engine, { machine }: Facts): Result | undefined {
  const folder = storage?.(machine);
  const room = folder === undefined ? undefined : machine.room(folder);
  if (!room || room.freeBytes >= littleBytes) return undefined;
  const says = `${formatSize(room.freeBytes)} of ${formatSize(room.totalBytes)} are free in ${folder}, where it keeps images`;
  return { state: "wrong", says, ...(makeRoom === undefined ? {} : { mend: asRoot(makeRoom) }) };
}
