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

/** Where docker's settings stand. Their texts are Latin-1. */
export const settingsFile = "/etc/docker/daemon.json";
/** The registries that docker speaks with unchecked, or in plain HTTP. */
export const insecureKey = "insecure-registries";

/** Why docker does not start with a file that {@link parseSettings} reads; `undefined` when it does. */
export function faultOf(text: string): string | undefined {
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
  if (text === undefined || isEmpty(text))
    return `${JSON.stringify({ [insecureKey]: [registry] }, undefined, 2)}\n`;
  const list = parseSettings(text)[insecureKey] ?? [];
  if (!Array.isArray(list)) {
    throw new UsageError(
      `${settingsFile}: ${insecureKey} is ${quote(JSON.stringify(list))}, expected a list of registries`,
    );
  }
  if (list.includes(registry)) return text;
  const mark = text.slice(0, text.length - withoutMark(text).length);
  const plain = withoutMark(text);
  const known = findNodeAtLocation(parseTree(plain) ?? { type: "null", offset: 0, length: 0 }, [insecureKey]);
  const isOneLine =
    known !== undefined && !plain.slice(known.offset, known.offset + known.length).includes("\n");
  const options = isOneLine ? {} : { formattingOptions: formattingOf(plain) };
  const [path, value] =
    known === undefined ? [[insecureKey], [registry]] : [[insecureKey, list.length], registry];
  return mark + applyEdits(plain, modify(plain, path, value, options));
}

/** As the file is indented. */
function formattingOf(text: string) {
  const indent = /\n([ \t]+)\S/.exec(text)?.[1] ?? "  ";
  const eol = text.includes("\r\n") ? "\r\n" : "\n";
  return { insertSpaces: !indent.includes("\t"), tabSize: indent.length, eol };
}

/** What docker's settings say; nothing where there are none. @throws UsageError with the place where they are no JSON */
export function parseSettings(text = ""): Readonly<Record<string, unknown>> {
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
