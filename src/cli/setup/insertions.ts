import { type ParseError, parse } from "jsonc-parser";
import { parseToml } from "./engines/toml.ts";

/**
 * Takes back what a change inserted into a file that others changed since: `undefined` where it only inserted nothing
 * that can be told apart, or what is left would be no JSON or TOML.
 * @param before what it was when the change was made, `after` what it was then, `now` what it is
 */
export function withoutInsertion(
  path: string,
  before: string,
  after: string,
  now: string,
): string | undefined {
  const inserted = insertionOf(before, after);
  if (inserted === undefined || inserted === "") return undefined;
  const at = now.indexOf(inserted);
  if (at < 0 || now.indexOf(inserted, at + 1) >= 0) return undefined;
  // Whole lines that are part of another line now, because somebody commented them out, are not ours any more.
  const isLines = inserted.endsWith("\n") && (after.startsWith(inserted) || after.includes(`\n${inserted}`));
  if (isLines && at > 0 && now[at - 1] !== "\n") return undefined;
  const left = now.slice(0, at) + now.slice(at + inserted.length);
  return isSound(path, left) ? left : undefined;
}

/** What `after` has more than `before`, if it is in one place; from the beginning of a line where that can be. */
function insertionOf(before: string, after: string): string | undefined {
  const length = after.length - before.length;
  if (length <= 0) return undefined;
  let start = 0;
  while (start < before.length && before[start] === after[start]) start += 1;
  for (let at = start; at >= 0; at--) {
    const fits = after.slice(0, at) + after.slice(at + length) === before;
    if (!fits) break;
    if (at === 0 || after[at - 1] === "\n") return after.slice(at, at + length);
  }
  const fits = after.slice(0, start) + after.slice(start + length) === before;
  return fits ? after.slice(start, start + length) : undefined;
}

function isSound(path: string, text: string): boolean {
  if (path.endsWith(".json")) {
    const errors: ParseError[] = [];
    parse(text, errors, { allowTrailingComma: true });
    return errors.length === 0;
  }
  if (!path.endsWith(".toml")) return true;
  try {
    parseToml(path, text);
    return true;
  } catch {
    return false; // that is the answer
  }
}
