/**
 * One way to authenticate that a server offers.
 * https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
 */
export interface Challenge {
  /** In lower case: `basic`, `bearer`. */
  readonly scheme: string;
  /** By names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const element = /(?:"(?:[^"\\]|\\.)*"|[^",])+/g;
const parameter = /^([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"=]+))$/;
const schemeFirst = /^([\w!#$%&'*+.^`|~-]+)(?:\s+(.+))?$/;

/** Parses `WWW-Authenticate`, several of which may be joined by commas. What is malformed is passed over. */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  for (const [found] of header.matchAll(element)) {
    const text = found.trim();
    if (addParameter(challenges.at(-1)?.parameters, text)) continue;
    const [, scheme, first = ""] = schemeFirst.exec(text) ?? [];
    if (scheme === undefined) continue;
    const parameters = new Map<string, string>();
    addParameter(parameters, first);
    challenges.push({ scheme: scheme.toLowerCase(), parameters });
  }
  return challenges;
}

/** Whether `text` was a parameter. The first of a name counts. */
function addParameter(parameters: Map<string, string> | undefined, text: string): boolean {
  const [, name, quoted, plain = ""] = parameter.exec(text) ?? [];
  if (name === undefined) return false;
  const key = name.toLowerCase();
  if (parameters && !parameters.has(key)) parameters.set(key, quoted?.replace(/\\(.)/g, "$1") ?? plain);
  return true;
}
