import {
  applyEdits,
  findNodeAtLocation,
  modify,
  type ParseError,
  parse,
  parseTree,
  printParseErrorCode,
} from "jsonc-parser";
import { quote } from "../../../oci/errors.ts";
import { UsageError } from "../../command.ts";
import { hasProgram, type Machine } from "../machine.ts";
import { changeFile, type Target } from "../plan.ts";
import { authorityPath, certificatesIn, type Engine, type Outlook, outlookByFiles } from "./engine.ts";

const settingsFile = "/etc/docker/daemon.json";
const folder = "/etc/docker/certs.d";
const key = "insecure-registries";

/**
 * The Docker engine. It reads the certificates of a registry anew for each pull, and those of the system when it starts.
 * https://docs.docker.com/engine/security/certificates/
 */
export const docker: Engine = {
  name: "docker",
  storage(machine) {
    const root = settings(machine)["data-root"];
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
  allowPlainHttp({ registry }, machine) {
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
    if (insecureIn(target, machine) !== undefined)
      return { kind: "works", because: `${settingsFile} lists it in ${key}, so that nothing is checked` };
    const isLoopback = /^(?:127\.|localhost$|::1$)/.test(target.host);
    if (served.scheme === "http" && isLoopback)
      return { kind: "works", because: "docker takes plain HTTP from this machine" };
    return outlookByFiles("docker", certificatesIn(`${folder}/${target.registry}`, machine), served, machine);
  },
};

/** The file that lists a registry as insecure. */
function insecureIn({ registry }: Target, machine: Machine): string | undefined {
  const list = settings(machine)[key];
  return Array.isArray(list) && list.includes(registry) ? settingsFile : undefined;
}

function settings(machine: Machine): Readonly<Record<string, unknown>> {
  return parseSettings(machine.read(settingsFile) ?? "");
}

/** Why docker does not start with a file that {@link parseSettings} reads; `undefined` when it does. */
function faultOf(text: string): string | undefined {
  try {
    if (!isEmpty(text)) JSON.parse(withoutMark(text));
    return undefined;
  } catch {
    return "docker does not start with comments, or with commas before a closing bracket";
  }
}

/** Docker takes such a file as one that says nothing. */
function isEmpty(text: string): boolean {
  return ["", "null"].includes(withoutMark(text).trim());
}

/** Without the byte order mark, as Latin-1 has it, that docker passes over. */
function withoutMark(text: string): string {
  return text.replace(/^\xef\xbb\xbf/, "");
}

/**
 * Adds a registry to those that docker speaks plain HTTP with. All else stays as it is written.
 * @throws UsageError when the text is no JSON, or the list no list
 */
export function withInsecureRegistry(text: string | undefined, registry: string): string {
  if (text === undefined || isEmpty(text)) return `${JSON.stringify({ [key]: [registry] }, undefined, 2)}\n`;
  const list = parseSettings(text)[key] ?? [];
  if (!Array.isArray(list)) {
    throw new UsageError(
      `${settingsFile}: ${key} is ${quote(JSON.stringify(list))}, expected a list of registries`,
    );
  }
  if (list.includes(registry)) return text;
  const mark = text.slice(0, text.length - withoutMark(text).length);
  const plain = withoutMark(text);
  const known = findNodeAtLocation(parseTree(plain) ?? { type: "null", offset: 0, length: 0 }, [key]);
  const isOneLine =
    known !== undefined && !plain.slice(known.offset, known.offset + known.length).includes("\n");
  const options = isOneLine ? {} : { formattingOptions: formattingOf(plain) };
  const [path, value] = known === undefined ? [[key], [registry]] : [[key, list.length], registry];
  return mark + applyEdits(plain, modify(plain, path, value, options));
}

/** As the file is indented. */
function formattingOf(text: string) {
  const indent = /\n([ \t]+)\S/.exec(text)?.[1] ?? "  ";
  const eol = text.includes("\r\n") ? "\r\n" : "\n";
  return { insertSpaces: !indent.includes("\t"), tabSize: indent.length, eol };
}

/** @throws UsageError with the place where it is no JSON */
function parseSettings(text: string): Readonly<Record<string, unknown>> {
  if (isEmpty(text)) return {};
  const errors: ParseError[] = [];
  const value: unknown = parse(withoutMark(text), errors, { allowTrailingComma: true });
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
