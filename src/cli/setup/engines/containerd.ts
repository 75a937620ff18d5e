import { join } from "node:path";
import { quote } from "../../../oci/errors.ts";
import { UsageError } from "../../command.ts";
import { hasProgram, type Machine } from "../machine.ts";
import { changeFile, joinParts, type PartOfPlan, type Target } from "../plan.ts";
import { certificatesIn, type Engine, isOnLoopback, outlookByFiles } from "./engine.ts";
import { parseToml, type TomlEntry, type TomlTable, tomlAt, tomlTexts, withEntries } from "./toml.ts";

const settingsFile = "/etc/containerd/config.toml";
const usualFolder = "/etc/containerd/certs.d";
/** Where the settings of what Kubernetes pulls with stand, by the version of the file. */
const plugins = { 2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.images" } as const;

/**
 * containerd, with nerdctl, `ctr --hosts-dir` and Kubernetes.
 * https://github.com/containerd/containerd/blob/v1.7.0/docs/hosts.md
 */
export const containerd: Engine = {
  name: "containerd",
  storage(machine) {
    const root = parseToml(settingsFile, machine.read(settingsFile) ?? "").root;
    return typeof root === "string" ? root : "/var/lib/containerd";
  },
  makeRoom: "nerdctl image prune",
  isInstalled: (machine) => hasProgram(machine, "containerd") || machine.has("/etc/containerd"),
  trust(target, authority, machine) {
    const why = `containerd trusts the authority of ${target.registry}`;
    const { folders, settings } = readSettings(machine);
    const place = `${folders[0]}/${target.registry}`;
    const files = [
      ...changeFile(machine, `${place}/ca.crt`, authority, why),
      ...changeFile(machine, `${place}/hosts.toml`, hostsWith(place, target, "https", machine), why),
    ];
    return joinParts([{ files }, settings]);
  },
  allowPlainHttp(target, machine) {
    const { folders, settings } = readSettings(machine);
    const place = `${folders[0]}/${target.registry}`;
    const why = `containerd speaks plain HTTP with ${target.registry}`;
    const after = hostsWith(place, target, "http", machine);
    return joinParts([{ files: changeFile(machine, `${place}/hosts.toml`, after, why) }, settings]);
  },
  unchecked(target, machine) {
    const { file, hosts = {} } = readHosts(target, machine);
    const isUnchecked =
      hostIn(hosts, target, "http") !== undefined ||
      hostIn(hosts, target, "https")?.table.skip_verify === true;
    return isUnchecked ? file : undefined;
  },
  async outlook(target, served, machine) {
    const { place, file, hosts } = readHosts(target, machine);
    const host = hosts && hostIn(hosts, target, served.scheme);
    if (served.scheme === "http" && host)
      return { kind: "works", because: `${file} allows plain HTTP with it` };
    if (served.scheme === "http" && hosts === undefined && isOnLoopback(target))
      return { kind: "works", because: "containerd takes plain HTTP from this machine" };
    if (host?.table.skip_verify === true)
      return { kind: "works", because: `${file} says skip_verify, so that nothing is checked` };
    const authorities = host ? authoritiesOf(file, host.table).map((name) => beside(place, name)) : [];
    const all = hosts === undefined ? certificatesIn(place, machine) : authorities;
    return outlookByFiles("containerd", all, served, machine);
  },
};

/** The folder where containerd looks for a registry, and what its `hosts.toml` says, if there is one. */
function readHosts({ registry }: Target, machine: Machine) {
  const places = readSettings(machine).folders.map((folder) => `${folder}/${registry}`);
  const place = places.find((one) => machine.has(one)) ?? places[0] ?? usualFolder;
  const file = `${place}/hosts.toml`;
  const text = machine.read(file);
  return { place, file, hosts: text === undefined ? undefined : parseToml(file, text) };
}

/** What `hosts.toml` has to say of a registry, beside what it says. */
function hostsWith(place: string, target: Target, scheme: Scheme, machine: Machine): string {
  const file = `${place}/hosts.toml`;
  const url = `${scheme}://${target.registry}`;
  const text = machine.read(file) ?? "";
  const capabilities: TomlEntry = { key: "capabilities", set: ["pull", "resolve", "push"] };
  // A relative path is looked for beside this file.
  const authority: readonly TomlEntry[] = scheme === "https" ? [{ key: "ca", add: "ca.crt" }] : [];
  const host = hostIn(parseToml(file, text), target, scheme);
  if (!host) {
    const begun = text.trim() === "" ? `${text}server = ${JSON.stringify(url)}\n` : text;
    return withEntries(file, begun, ["host", url], [capabilities, ...authority]);
  }
  const known = authoritiesOf(file, host.table).map((name) => beside(place, name));
  if (scheme === "http" || known.includes(`${place}/ca.crt`)) return text;
  return withEntries(file, text, ["host", host.key], authority);
}

type Scheme = "https" | "http";

/** The table of a registry in `hosts.toml`; without a scheme, its name means HTTPS. */
function hostIn(
  hosts: TomlTable,
  { registry }: Target,
  scheme: Scheme,
): { readonly key: string; readonly table: TomlTable } | undefined {
  const keys = [`${scheme}://${registry}`, ...(scheme === "https" ? [registry] : [])];
  for (const key of keys) {
    const table = tomlAt(hosts, "host", key);
    if (typeof table === "object" && table !== null) return { key, table: table as TomlTable }; // of TOML
  }
  return undefined;
}

function authoritiesOf(file: string, host: TomlTable): readonly string[] {
  const files = tomlTexts(host.ca);
  if (files) return files;
  throw new UsageError(
    `${file} says ca = ${quote(JSON.stringify(host.ca))}: expected a file or a list of files`,
  );
}

function beside(folder: string, name: string): string {
  return name.startsWith("/") ? name : join(folder, name);
}

interface Settings {
  /** Where containerd looks for registries, in this order. */
  readonly folders: readonly [string, ...string[]];
  /** What has to change so that Kubernetes' side of it looks there too. */
  readonly settings: PartOfPlan;
}

function readSettings(machine: Machine): Settings {
  const usual = (settings: PartOfPlan): Settings => ({ folders: [usualFolder], settings });
  const text = machine.read(settingsFile);
  if (text === undefined) return usual({});
  const settings = parseToml(settingsFile, text);
  const plugin = plugins[settings.version === 3 ? 3 : 2];
  const registry = (...keys: readonly string[]) => tomlAt(settings, "plugins", plugin, "registry", ...keys);
  const configured = registry("config_path");
  const [first, ...more] =
    typeof configured === "string" ? configured.split(":").filter((one) => one !== "") : [];
  if (first !== undefined) return { folders: [first, ...more], settings: {} };
  if (isWithoutKubernetes(settings.disabled_plugins)) return usual({});
  const isOld = settings.version !== 2 && settings.version !== 3;
  const named = ["mirrors", "configs"].some((key) => Object.keys(registry(key) ?? {}).length > 0);
  if (isOld || named) {
    const why = isOld
      ? "is of version 1"
      : "names registries itself, beside which config_path must not stand";
    const advice = `for Kubernetes: ${settingsFile} ${why}: move to config_path = "${usualFolder}" by hand`;
    return usual({ advice: [advice] });
  }
  const entry = { key: "config_path", set: usualFolder };
  const after = withEntries(settingsFile, text, ["plugins", plugin, "registry"], [entry]);
  const files = changeFile(machine, settingsFile, after, `Kubernetes' containerd reads ${usualFolder}`);
  const advice = ["start containerd again, if Kubernetes uses it: systemctl restart containerd"];
  return usual({ files, advice });
}

function isWithoutKubernetes(disabled: unknown): boolean {
  return (
    Array.isArray(disabled) &&
    disabled.some((name) => name === "cri" || name === plugins[2] || name === plugins[3])
  );
}
