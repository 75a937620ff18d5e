import { applyEdits, modify, type ParseError, parse, printParseErrorCode } from "jsonc-parser";
import { quote } from "../../../oci/errors.ts";
import { UsageError } from "../../command.ts";
import { hasProgram, type Machine } from "../machine.ts";
import { changeFile } from "../plan.ts";
import { authorityPath, type Engine, outlookByFiles } from "./engine.ts";

const settingsFile = "/etc/docker/daemon.json";
const key = "insecure-registries";

/** The Docker engine. It reads its certificates anew for each pull. https://docs.docker.com/engine/security/certificates/ */
export const docker: Engine = {
  name: "docker",
  isInstalled: (machine) => hasProgram(machine, "dockerd") || machine.has("/etc/docker"),
  trust(target, authority, machine) {
    const path = authorityPath("/etc/docker/certs.d", target);
    return {
      files: changeFile(machine, path, authority, `docker trusts the authority of ${target.registry}`),
    };
  },
  allowPlainHttp({ registry }, machine) {
    const text = machine.read(settingsFile);
    const after = withInsecureRegistry(text, registry);
    const files = changeFile(machine, settingsFile, after, `docker speaks plain HTTP with ${registry}`);
    return files.length > 0 ? { files, advice: ["let docker read it: systemctl reload docker"] } : {};
  },
  outlook(target, served, machine) {
    const { registry } = target;
    if (insecureRegistries(machine).includes(registry))
      return { kind: "works", because: `${settingsFile} lists it in ${key}, so that nothing is checked` };
    const isLoopback = /^(?:127\.|localhost$|::1$)/.test(target.host);
    if (served.scheme === "http" && isLoopback)
      return { kind: "works", because: "docker takes plain HTTP from this machine" };
    return outlookByFiles("docker", [authorityPath("/etc/docker/certs.d", target)], served, machine);
  },
};

function insecureRegistries(machine: Machine): readonly unknown[] {
  const text = machine.read(settingsFile);
  const list: unknown = text === undefined ? undefined : parseSettings(text)[key];
  return Array.isArray(list) ? list : [];
}

/**
 * Adds a registry to those that docker speaks plain HTTP with. All else stays as it is written.
 * @throws UsageError when the text is no JSON, or the list no list
 */
export function withInsecureRegistry(text: string | undefined, registry: string): string {
  if (text === undefined || text.trim() === "")
    return `${JSON.stringify({ [key]: [registry] }, undefined, 2)}\n`;
  const list = parseSettings(text)[key] ?? [];
  if (!Array.isArray(list)) {
    throw new UsageError(
      `${settingsFile}: ${key} is ${quote(JSON.stringify(list))}, expected a list of registries`,
    );
  }
  if (list.includes(registry)) return text;
  const formattingOptions = formattingOf(text);
  const place = parseSettings(text)[key] === undefined ? [key] : [key, list.length];
  return applyEdits(
    text,
    modify(text, place, place.length === 1 ? [registry] : registry, { formattingOptions }),
  );
}

/** As the file is indented. */
function formattingOf(text: string) {
  const indent = /\n([ \t]+)\S/.exec(text)?.[1] ?? "  ";
  const eol = text.includes("\r\n") ? "\r\n" : "\n";
  return { insertSpaces: !indent.includes("\t"), tabSize: indent.length, eol };
}

/** @throws UsageError with the place where it is no JSON */
function parseSettings(text: string): Readonly<Record<string, unknown>> {
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first) {
    const line = text.slice(0, first.offset).split("\n").length;
    const what = printParseErrorCode(first.error);
    throw new UsageError(`${settingsFile} is no JSON: ${what} in line ${line}: mend it, nothing was changed`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new UsageError(
      `${settingsFile} is ${quote(text.trim())}, expected a JSON object: nothing was changed`,
    );
  return value as Record<string, unknown>; // safe: an object, whose values nobody relies on
}
