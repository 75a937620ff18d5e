import { applyEdits, modify, type ParseError, parse } from "jsonc-parser";
import { parseToml } from "./engines/toml.ts";

/**
 * Takes back what a change inserted into a file that others changed since: `undefined` where it inserted nothing that can
 * be told apart, or what is left would be no JSON or TOML.
 * @param before what it was when the change was made, `after` what it was then, `now` what it is
 */
export function withoutInsertion(
  path: string,
  before: string,
  after: string,
  now: string,
): string | undefined {
  return (
    withoutText(path, before, after, now) ??
    (path.endsWith(".json") ? withoutItems(before, after, now) : undefined)
  );
}

/** Without what was added to lists in JSON, however it is written now. */
function withoutItems(before: string, after: string, now: string): string | undefined {
  const [old, made, current] = [listsIn(before), listsIn(after), listsIn(now)];
  for (const [key, items] of made) {
    const [added, ...more] = items.filter((item) => !old.get(key)?.includes(item));
    const at = current.get(key)?.indexOf(added) ?? -1;
    if (added === undefined || more.length > 0 || at < 0) continue;
    return applyEdits(now, modify(now, [key, at], undefined, {}));
  }
  return undefined;
}

/** The lists of a JSON object, by their keys; none where it is none. */
function listsIn(text: string): ReadonlyMap<string, readonly unknown[]> {
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { allowTrailingComma: true });
  if (errors.length > 0 || typeof value !== "object" || value === null) return new Map();
  return new Map(Object.entries(value).filter(([, list]) => Array.isArray(list)));
}

function withoutText(path: string, before: string, after: string, now: string): string | undefined {
  const made = insertionOf(before, after);
  if (made === undefined || made.inserted === "") return undefined;
  const { inserted } = made;
  const at = onlyPlaceOf(inserted, now) ?? placeBehindLine(inserted, after.slice(0, made.at), now);
  if (at === undefined) return undefined;
  // Whole lines that are part of another line now, because somebody commented them out, are not ours any more.
  const isLines = inserted.endsWith("\n") && (after.startsWith(inserted) || after.includes(`\n${inserted}`));
  if (isLines && at > 0 && now[at - 1] !== "\n") return undefined;
  const left = now.slice(0, at) + now.slice(at + inserted.length);
  return isSound(path, left) ? left : undefined;
}

function onlyPlaceOf(part: string, text: string): number | undefined {
  const at = text.indexOf(part);
  return at < 0 || text.indexOf(part, at + 1) >= 0 ? undefined : at;
}

/** Where a part of a text stands behind the last line of `above`, for one that stands elsewhere, too. */
function placeBehindLine(part: string, above: string, text: string): number | undefined {
  const line = /(?:^|\n)([^\n]+\n)$/.exec(above)?.[1];
  const at = line === undefined ? undefined : onlyPlaceOf(line + part, text);
  return at === undefined || line === undefined ? undefined : at + line.length;
}

/** What `after` has more than `before`, if it is in one place; from the beginning of a line where that can be. */
function insertionOf(before: string, after: string): { at: number; inserted: string } | undefined {
  const length = after.length - before.length;
  if (length <= 0) return undefined;
  let start = 0;
  while (start < before.length && before[start] === after[start]) start += 1;
  for (let at = start; at >= 0; at--) {
    const fits = after.slice(0, at) + after.slice(at + length) === before;
    if (!fits) break;
    if (at === 0 || after[at - 1] === "\n") return { at, inserted: after.slice(at, at + length) };
  }
  const fits = after.slice(0, start) + after.slice(start + length) === before;
  return fits ? { at: start, inserted: after.slice(start, start + length) } : undefined;
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
