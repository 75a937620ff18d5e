import { quote } from "../../../oci/errors.ts";
import { UsageError } from "../../command.ts";
import { hasProgram, type Machine } from "../machine.ts";
import { changeFile, type PartOfPlan, type Target } from "../plan.ts";
import { authorityPath, type Engine, outlookByFiles } from "./engine.ts";
import { parseToml, type TomlEntry, type TomlTable, tomlAt, tomlTexts, withEntries } from "./toml.ts";

const settingsFile = "/etc/buildkit/buildkitd.toml";
const folder = "/etc/buildkit/certs.d";
const restart = "start BuildKit again, so that it reads it: systemctl restart buildkit";

/**
 * A BuildKit of its own; the one in docker has docker's settings.
 * https://github.com/moby/buildkit/blob/v0.13.0/docs/buildkitd.toml.md
 */
export const buildkit: Engine = {
  name: "buildkit",
  storage(machine) {
    const { root } = settings(machine);
    return typeof root === "string" ? root : "/var/lib/buildkit";
  },
  makeRoom: "buildctl prune",
  isInstalled: (machine) => hasProgram(machine, "buildkitd") || machine.has("/etc/buildkit"),
  trust(target, authority, machine) {
    const path = authorityPath(folder, target);
    const why = `BuildKit trusts the authority of ${target.registry}`;
    const files = changeFile(machine, path, authority, why);
    const known = authoritiesOf(target, machine);
    if (known.includes(path)) return { files };
    const entry = change(machine, target, { key: "ca", add: path }, why);
    return { ...entry, files: [...files, ...(entry.files ?? [])] };
  },
  allowPlainHttp(target, machine) {
    const known = settingOf(target, "http", machine);
    if (known === true) return {};
    if (known !== undefined) throw alreadySaid(target, "http", known);
    const why = `BuildKit speaks plain HTTP with ${target.registry}`;
    return change(machine, target, { key: "http", set: true }, why);
  },
  unchecked(target, machine) {
    const isUnchecked = ["http", "insecure"].some((key) => settingOf(target, key, machine) === true);
    return isUnchecked ? settingsFile : undefined;
  },
  async outlook(target, served, machine) {
    const isPlain = settingOf(target, "http", machine) === true;
    if (served.scheme === "http" && isPlain)
      return { kind: "works", because: `${settingsFile} allows plain HTTP with it` };
    if (isPlain)
      return { kind: "fails", because: `${settingsFile} says http = true, so that it speaks plain HTTP` };
    return outlookByFiles("BuildKit", authoritiesOf(target, machine), served, machine);
  },
};

function settings(machine: Machine): TomlTable {
  return parseToml(settingsFile, machine.read(settingsFile) ?? "");
}

function settingOf({ registry }: Target, key: string, machine: Machine): unknown {
  return tomlAt(settings(machine), "registry", registry, key);
}

function authoritiesOf(target: Target, machine: Machine): readonly string[] {
  const known = settingOf(target, "ca", machine);
  const files = tomlTexts(known);
  if (files) return files;
  throw alreadySaid(target, "ca", known);
}

function change(machine: Machine, { registry }: Target, entry: TomlEntry, why: string): PartOfPlan {
  const after = withEntries(settingsFile, machine.read(settingsFile) ?? "", ["registry", registry], [entry]);
  return { files: changeFile(machine, settingsFile, after, why), advice: [restart] };
}

function alreadySaid({ registry }: Target, key: string, value: unknown): UsageError {
  return new UsageError(
    `${settingsFile} says ${key} = ${quote(JSON.stringify(value))} for ${registry}: take that line out first`,
  );
}
