import { UsageError } from "../../command.ts";
import { hasProgram, type Machine } from "../machine.ts";
import { changeFile, fileNameOf, type Target } from "../plan.ts";
import { authorityPath, certificatesIn, type Engine, outlookByFiles } from "./engine.ts";
import { parseToml, tomlAt } from "./toml.ts";

const folder = "/etc/containers/certs.d";
/** The first of them that has a folder for a registry counts. */
const folders = [folder, "/etc/docker/certs.d"];
const storageFile = "/etc/containers/storage.conf";
const mainFile = "/etc/containers/registries.conf";
const furtherFolder = `${mainFile}.d`;

/**
 * podman, buildah, skopeo and CRI-O, which share their files.
 * https://github.com/containers/image/blob/v5.29.0/docs/containers-certs.d.5.md
 */
export const podman: Engine = {
  name: "podman",
  storage(machine) {
    const root = tomlAt(parseToml(storageFile, machine.read(storageFile) ?? ""), "storage", "graphroot");
    return typeof root === "string" && root !== "" ? root : "/var/lib/containers";
  },
  makeRoom: "podman system prune",
  isInstalled: (machine) =>
    ["podman", "buildah", "skopeo", "crio"].some((name) => hasProgram(machine, name)) ||
    machine.has("/etc/containers"),
  trust(target, authority, machine) {
    const why = `podman, buildah and skopeo trust the authority of ${target.registry}`;
    return { files: changeFile(machine, authorityPath(folder, target), authority, why) };
  },
  allowPlainHttp(target, machine) {
    const main = machine.read(mainFile);
    const first = main === undefined ? {} : parseToml(mainFile, main);
    if ("registries" in first) {
      throw new UsageError(
        `${mainFile} has the form of version 1, beside which no other file counts: add ${target.registry} to its ` +
          "[registries.insecure] by hand",
      );
    }
    const text = `[[registry]]\nlocation = "${target.registry}"\ninsecure = true\n`;
    const why = `podman, buildah and skopeo speak plain HTTP with ${target.registry}`;
    return { files: changeFile(machine, ownFile(target), text, why) };
  },
  unchecked: insecureIn,
  async outlook(target, served, machine) {
    if (insecureIn(target, machine) !== undefined)
      return { kind: "works", because: "it is marked as insecure, so that nothing is checked" };
    const place = folders.map((one) => `${one}/${target.registry}`).find((one) => machine.has(one));
    const files = place === undefined ? [] : certificatesIn(place, machine);
    return outlookByFiles("podman", files, served, machine);
  },
};

function ownFile({ registry }: Target): string {
  return `${furtherFolder}/berth-${fileNameOf(registry)}.conf`;
}

/** The file that marks a registry as insecure. */
function insecureIn(target: Target, machine: Machine): string | undefined {
  const further = machine.list(furtherFolder).filter((name) => name.endsWith(".conf"));
  return [mainFile, ...further.map((name) => `${furtherFolder}/${name}`)].find((file) => {
    const text = machine.read(file);
    const list = text === undefined ? undefined : parseToml(file, text).registry;
    return (
      Array.isArray(list) && list.some((one) => one?.location === target.registry && one?.insecure === true)
    );
  });
}
