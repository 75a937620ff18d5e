import { systemAuthorities } from "../authorities.ts";
import { hasProgram, type Machine } from "../machine.ts";
import { changeFile, fileNameOf, type PlannedCommand } from "../plan.ts";
import type { Engine } from "./engine.ts";

/** How kinds of system take an authority: the first whose folder and program are there. */
const kinds = [
  // Debian, Alpine. What is gone is taken out of its list only when that is made anew.
  {
    program: "update-ca-certificates",
    folder: "/usr/local/share/ca-certificates",
    ending: "crt",
    undo: ["--fresh"],
  },
  // Fedora
  { program: "update-ca-trust", folder: "/etc/pki/ca-trust/source/anchors", ending: "pem", undo: [] },
  // Arch
  {
    program: "update-ca-trust",
    folder: "/etc/ca-certificates/trust-source/anchors",
    ending: "crt",
    undo: [],
  },
  // SUSE
  { program: "update-ca-certificates", folder: "/etc/pki/trust/anchors", ending: "pem", undo: [] },
] as const;

/** The system's own list of authorities, for curl, git, and all that looks nowhere else. */
export const system: Engine = {
  name: "system",
  isInstalled: (machine) => kindOf(machine) !== undefined,
  trust({ registry }, authority, machine) {
    const kind = kindOf(machine);
    if (!kind) return {};
    const path = `${kind.folder}/berth-${fileNameOf(registry)}.${kind.ending}`;
    const files = changeFile(machine, path, authority, `the system trusts the authority of ${registry}`);
    // A setup that was killed may have written the file, and told nobody.
    const isListed = systemAuthorities(machine)?.text.includes(authority.trim()) === true;
    return files.length > 0 || !isListed ? { files, commands: [commandOf(kind)] } : {};
  },
};

function commandOf({ program, undo }: (typeof kinds)[number]): PlannedCommand {
  return { argv: [program], undo: [program, ...undo], why: "the system reads its authorities anew" };
}

function kindOf(machine: Machine): (typeof kinds)[number] | undefined {
  return kinds.find(({ program, folder }) => machine.has(folder) && hasProgram(machine, program));
}
