import { quote } from "../../../oci/errors.ts";
import { UsageError } from "../../command.ts";
import { hasProgram, type Machine } from "../machine.ts";
import { changeFile, type PartOfPlan, type Target } from "../plan.ts";
import { authorityPath, type Engine, outlookByFiles } from "./engine.ts";
import { addToTable, parseToml, tomlAt } from "./toml.ts";

const settingsFile = "/etc/buildkit/buildkitd.toml";
const folder = "/etc/buildkit/certs.d";
const restart = "start BuildKit again, so that it reads it: systemctl restart buildkit";

/**
 * A BuildKit of its own; the one in docker has docker's settings.
 * https://github.com/moby/buildkit/blob/v0.13.0/docs/buildkitd.toml.md
 */
export const buildkit: Engine = {
  name: "buildkit",
  isInstalled: (machine) => hasProgram(machine, "buildkitd") || machine.has("/etc/buildkit"),
  trust(target, authority, machine) {
    const path = authorityPath(folder, target);
    const why = `BuildKit trusts the authority of ${target.registry}`;
    const known = tomlAt(settings(machine), "registry", target.registry, "ca");
    if (Array.isArray(known) && known.includes(path))
      return { files: changeFile(machine, path, authority, why) };
    if (known !== undefined) throw alreadySaid(target, "ca", known);
    const entry = add(machine, target, [`ca = [${JSON.stringify(path)}]`], why);
    return { ...entry, files: [...changeFile(machine, path, authority, why), ...(entry.files ?? [])] };
  },
  allowPlainHttp(target, machine) {
    const known = tomlAt(settings(machine), "registry", target.registry, "http");
    if (known === true) return {};
    if (known !== undefined) throw alreadySaid(target, "http", known);
    return add(machine, target, ["http = true"], `BuildKit speaks plain HTTP with ${target.registry}`);
  },
  outlook(target, served, machine) {
    const known = settings(machine);
    if (served.scheme === "http" && tomlAt(known, "registry", target.registry, "http") === true)
      return { kind: "works", because: `${settingsFile} allows plain HTTP with it` };
    const files = tomlAt(known, "registry", target.registry, "ca");
    const authorities = Array.isArray(files) ? files.filter((file) => typeof file === "string") : [];
    return outlookByFiles(
      "BuildKit",
      authorities.length > 0 ? authorities : [authorityPath(folder, target)],
      served,
      machine,
    );
  },
};

function settings(machine: Machine) {
  return parseToml(settingsFile, machine.read(settingsFile) ?? "");
}

function add(machine: Machine, { registry }: Target, lines: readonly string[], why: string): PartOfPlan {
  const header = `[registry.${JSON.stringify(registry)}]`;
  const after = addToTable(settingsFile, machine.read(settingsFile) ?? "", header, lines);
  return { files: changeFile(machine, settingsFile, after, why), advice: [restart] };
}

function alreadySaid({ registry }: Target, key: string, value: unknown): UsageError {
  return new UsageError(
    `${settingsFile} says ${key} = ${quote(JSON.stringify(value))} for ${registry}: take that line out first`,
  );
}
