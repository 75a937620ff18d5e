import { quote } from "../../oci/errors.ts";
import { UsageError } from "../command.ts";

/** Whether a text matches. */
export type Matcher = (text: string) => boolean;

/** What one character of a text has to be. */
type CharTest = (char: string) => boolean;

/**
 * Compiles a pattern of Go's path.Match, which docker's filters use: `*` is any run of characters but `/`, `?` one of
 * these, `[a-z]` and `[^a-z]` a class, `\` takes the next character as it is. https://pkg.go.dev/path#Match
 *
 * As there, what follows a `*` is taken where it fits first, without looking back: this matters only for classes that
 * contain a slash.
 * @throws UsageError when the pattern is malformed
 */
export function compilePattern(pattern: string): Matcher {
  const { start, rest } = parsePattern(pattern);
  return (text) => {
    const chars = [...text];
    if (!fits(start, chars, 0)) return false;
    let at = start.length;
    for (const [index, part] of rest.entries()) {
      const isLast = index === rest.length - 1;
      const found = firstFit(part, chars, at, isLast);
      if (found === undefined) return false;
      at = found + part.length;
    }
    return at === chars.length;
  };
}

function fits(part: readonly CharTest[], chars: readonly string[], at: number): boolean {
  return part.every((test, offset) => {
    const char = chars[at + offset];
    return char !== undefined && test(char);
  });
}

/** Where a part that stands behind a `*` fits first; the last one has to reach the end. */
function firstFit(
  part: readonly CharTest[],
  chars: readonly string[],
  start: number,
  isLast: boolean,
): number | undefined {
  for (let at = start; at <= chars.length; at++) {
    if (fits(part, chars, at) && (!isLast || at + part.length === chars.length)) return at;
    if (chars[at] === "/") return undefined;
  }
  return undefined;
}

interface Parts {
  /** What stands before the first `*`. */
  readonly start: readonly CharTest[];
  /** What stands behind each. */
  readonly rest: readonly (readonly CharTest[])[];
}

function parsePattern(pattern: string): Parts {
  const chars = [...pattern];
  const parts: CharTest[][] = [[]];
  const malformed = (): UsageError =>
    new UsageError(`malformed pattern ${quote(pattern)}: syntax error in pattern`);
  let at = 0;
  /** A character of a class; `\` escapes. Something has to follow. */
  const classChar = (): string => {
    if (chars[at] === "-" || chars[at] === "]") throw malformed();
    if (chars[at] === "\\") at++;
    const char = chars[at++];
    if (char === undefined || chars[at] === undefined) throw malformed();
    return char;
  };
  const classTest = (): CharTest => {
    const negated = chars[at] === "^";
    if (negated) at++;
    const ranges: [string, string][] = [];
    while (chars[at] !== "]" || ranges.length === 0) {
      const low = classChar();
      if (chars[at] !== "-") ranges.push([low, low]);
      else {
        at++;
        ranges.push([low, classChar()]);
      }
    }
    at++;
    return (char) => ranges.some(([low, high]) => low <= char && char <= high) !== negated;
  };
  while (at < chars.length) {
    const char = chars[at++];
    const part = parts.at(-1) ?? [];
    if (char === "*") {
      if (part.length > 0 || parts.length === 1) parts.push([]); // several in a row are one
    } else if (char === "?") part.push((found) => found !== "/");
    else if (char === "[") part.push(classTest());
    else {
      const literal = char === "\\" ? chars[at++] : char;
      if (literal === undefined) throw malformed();
      part.push((found) => found === literal);
    }
  }
  const [start = [], ...rest] = parts;
  return { start, rest };
}
