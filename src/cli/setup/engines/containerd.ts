import { hasProgram, type Machine } from "../machine.ts";
import { changeFile, type FileChange, joinParts, type PartOfPlan, type Target } from "../plan.ts";
import { type Engine, outlookByFiles } from "./engine.ts";
import { addToTable, parseToml, tomlAt } from "./toml.ts";

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
  isInstalled: (machine) => hasProgram(machine, "containerd") || machine.has("/etc/containerd"),
  trust(target, authority, machine) {
    const why = `containerd trusts the authority of ${target.registry}`;
    const { folder, settings } = readSettings(machine);
    const place = `${folder}/${target.registry}`;
    const files = [
      ...changeFile(machine, `${place}/ca.crt`, authority, why),
      ...changeFile(machine, `${place}/hosts.toml`, hostsFile(target, "https"), why),
    ];
    return joinParts([{ files }, settings]);
  },
  allowPlainHttp(target, machine) {
    const { folder, settings } = readSettings(machine);
    const why = `containerd speaks plain HTTP with ${target.registry}`;
    const files = changeFile(
      machine,
      `${folder}/${target.registry}/hosts.toml`,
      hostsFile(target, "http"),
      why,
    );
    return joinParts([{ files }, settings]);
  },
  outlook(target, served, machine) {
    const { folder } = readSettings(machine);
    const place = `${folder}/${target.registry}`;
    const file = `${place}/hosts.toml`;
    const hosts = machine.read(file);
    const list =
      hosts === undefined ? undefined : tomlAt(parseToml(file, hosts), "host", `http://${target.registry}`);
    if (served.scheme === "http" && list !== undefined)
      return { kind: "works", because: `${file} allows plain HTTP with it` };
    return outlookByFiles("containerd", [`${place}/ca.crt`], served, machine);
  },
};

function hostsFile({ registry }: Target, scheme: "https" | "http"): string {
  const url = `${scheme}://${registry}`;
  // A relative path is looked for beside this file.
  const authority = scheme === "https" ? `  ca = "ca.crt"\n` : "";
  return `server = "${url}"\n\n[host."${url}"]\n  capabilities = ["pull", "resolve", "push"]\n${authority}`;
}

/** Where containerd looks for registries, and what has to change so that Kubernetes' side of it looks there too. */
function readSettings(machine: Machine): { folder: string; settings: PartOfPlan } {
  const text = machine.read(settingsFile);
  if (text === undefined) return { folder: usualFolder, settings: {} };
  const settings = parseToml(settingsFile, text);
  const plugin = plugins[settings.version === 3 ? 3 : 2];
  const configured = tomlAt(settings, "plugins", plugin, "registry", "config_path");
  if (typeof configured === "string" && configured !== "")
    return { folder: configured.split(":")[0] ?? configured, settings: {} };
  if (isWithoutKubernetes(settings.disabled_plugins)) return { folder: usualFolder, settings: {} };
  const registry = tomlAt(settings, "plugins", plugin, "registry");
  const says = typeof registry === "object" && registry !== null ? Object.keys(registry) : [];
  const isOld = settings.version !== 2 && settings.version !== 3;
  if (isOld || configured !== undefined || ["mirrors", "configs"].some((name) => says.includes(name))) {
    const why = isOld
      ? "is of version 1"
      : "names registries itself, beside which config_path must not stand";
    const advice = `for Kubernetes: ${settingsFile} ${why}: move to config_path = "${usualFolder}" by hand`;
    return { folder: usualFolder, settings: { advice: [advice] } };
  }
  const header = `[plugins.${JSON.stringify(plugin)}.registry]`;
  const after = addToTable(settingsFile, text, header, [`config_path = "${usualFolder}"`]);
  const files: readonly FileChange[] = changeFile(
    machine,
    settingsFile,
    after,
    `Kubernetes' containerd reads ${usualFolder}`,
  );
  const advice = ["start containerd again, if Kubernetes uses it: systemctl restart containerd"];
  return { folder: usualFolder, settings: { files, advice } };
}

function isWithoutKubernetes(disabled: unknown): boolean {
  return (
    Array.isArray(disabled) &&
    disabled.some((name) => name === "cri" || name === plugins[2] || name === plugins[3])
  );
}
