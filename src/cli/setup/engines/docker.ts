import { UsageError } from "../../command.ts";
import { hasProgram, type Machine } from "../machine.ts";
import { changeFile, type Target } from "../plan.ts";
import {
  faultOf,
  insecureKey,
  parseSettings,
  settingsFile,
  withInsecureRegistry,
} from "./docker-settings.ts";
import {
  authorityPath,
  certificatesIn,
  type Engine,
  isOnLoopback,
  type Outlook,
  outlookByFiles,
} from "./engine.ts";

const folder = "/etc/docker/certs.d";
/** What starts docker, and with which flags. */
const startFiles = [
  "/etc/default/docker",
  "/etc/sysconfig/docker",
  "/etc/systemd/system/docker.service",
  "/lib/systemd/system/docker.service",
];
const startFolder = "/etc/systemd/system/docker.service.d";

/**
 * The Docker engine. It reads the certificates of a registry anew for each pull, and those of the system when it starts.
 * https://docs.docker.com/engine/security/certificates/
 */
export const docker: Engine = {
  name: "docker",
  storage(machine) {
    const root = parseSettings(machine.read(settingsFile))["data-root"];
    return typeof root === "string" ? root : "/var/lib/docker";
  },
  makeRoom: "docker system prune",
  isInstalled: (machine) => hasProgram(machine, "dockerd") || machine.has("/etc/docker"),
  trust(target, authority, machine) {
    const path = authorityPath(folder, target);
    return {
      files: changeFile(machine, path, authority, `docker trusts the authority of ${target.registry}`),
    };
  },
  allowPlainHttp(target, machine) {
    const { registry } = target;
    const started = startedWith(machine);
    if (started?.registries.includes(registry)) return {};
    if (started) {
      throw new UsageError(
        `${started.file} starts docker with --insecure-registry, and with ${insecureKey} in ${settingsFile} too it does not start: ` +
          `add --insecure-registry=${registry} there by hand`,
      );
    }
    const text = machine.read(settingsFile);
    const after = withInsecureRegistry(text, registry);
    const files = changeFile(machine, settingsFile, after, `docker speaks plain HTTP with ${registry}`);
    if (files.length === 0) return {};
    const fault = faultOf(after);
    const advice = "let docker read it: systemctl reload docker";
    return {
      files,
      advice: fault === undefined ? [advice] : [`${fault}: take them out of ${settingsFile}`, advice],
    };
  },
  unchecked: insecureIn,
  async outlook(target, served, machine): Promise<Outlook> {
    const fault = faultOf(machine.read(settingsFile) ?? "");
    if (fault !== undefined) return { kind: "fails", because: `${settingsFile}: ${fault}` };
    const insecure = insecureIn(target, machine);
    if (insecure !== undefined)
      return { kind: "works", because: `${insecure} lists it as insecure, so that nothing is checked` };
    if (served.scheme === "http" && isOnLoopback(target))
      return { kind: "works", because: "docker takes plain HTTP from this machine" };
    return outlookByFiles("docker", certificatesIn(`${folder}/${target.registry}`, machine), served, machine);
  },
};

/** The file that lists a registry as insecure. */
function insecureIn({ registry }: Target, machine: Machine): string | undefined {
  const started = startedWith(machine);
  if (started?.registries.includes(registry)) return started.file;
  const list = parseSettings(machine.read(settingsFile))[insecureKey];
  return Array.isArray(list) && list.includes(registry) ? settingsFile : undefined;
}

interface Started {
  readonly file: string;
  readonly registries: readonly string[];
}

/**
 * The file that starts docker with a list of insecure registries; `undefined` when none does. What stands in a flag must not
 * stand in the settings: https://docs.docker.com/engine/daemon/#configuration-file
 */
function startedWith(machine: Machine): Started | undefined {
  const further = machine.list(startFolder).map((name) => `${startFolder}/${name}`);
  const all = [...startFiles, ...further].map((file): Started => {
    const lines = (machine.read(file) ?? "").replaceAll(/^\s*[#;].*$/gm, "");
    const found = lines.matchAll(/--insecure-registry[= ]"?([^\s"']+)/g);
    return { file, registries: [...found].flatMap(([, registry = ""]) => registry.split(",")) };
  });
  return all.find(({ registries }) => registries.length > 0);
}
