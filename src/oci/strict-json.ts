import { printable, quote } from "./errors.ts";

/** Deepest nesting of arrays and objects that a manifest may have. */
export const maxDepth = 64;

/**
 * Parses JSON as `JSON.parse` does, and refuses what two readers could understand differently or what could exhaust
 * one: an object that has a key twice, half of a surrogate pair (some readers replace it, and then two keys are one),
 * nesting deeper than {@link maxDepth}, bytes that are not UTF-8, a byte order mark.
 *
 * A key `__proto__` is an object's own, as with `JSON.parse`: spreading keeps it so, assigning it to another does not.
 * @throws SyntaxError with a message that names what was wrong
 */
export function parseStrictJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new SyntaxError("it is not UTF-8", { cause });
  }
  if (text.startsWith("\uFEFF"))
    throw new SyntaxError("it begins with a byte order mark, which JSON must not");
  refuseDeepNesting(text);
  const value = parseJson(text);
  refuseDuplicateKeys(text);
  refuseHalfSurrogates(text);
  return value;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    // Engines quote what they found, as it is.
    const reason = cause instanceof Error ? cause.message.replace(/^JSON Parse error: /, "") : String(cause);
    throw new SyntaxError(`it is not JSON: ${printable(reason)}`, { cause });
  }
}

/** Walks over the brackets outside of strings. Text need not be JSON: the parser stops where it no longer is. */
function refuseDeepNesting(text: string): void {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x22) at = endOfString(text, at);
    else if (char === 0x7b || char === 0x5b) {
      if (++depth > maxDepth) throw new SyntaxError(`it is nested deeper than ${maxDepth} levels`);
    } else if (char === 0x7d || char === 0x5d) depth--;
  }
}

/** Needs `text` to be valid JSON. */
function refuseDuplicateKeys(text: string): void {
  const open: (Set<string> | undefined)[] = []; // the keys of each open object, undefined for a list
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x7b) open.push(new Set());
    else if (char === 0x5b) open.push(undefined);
    else if (char === 0x7d || char === 0x5d) open.pop();
    else if (char === 0x22) {
      const end = endOfString(text, at);
      const keys = open[open.length - 1];
      if (keys && isKey(text, end + 1)) {
        const key = stringAt(text, at, end);
        if (keys.has(key)) throw new SyntaxError(`the key ${quote(key)} stands twice in one object`);
        keys.add(key);
      }
      at = end;
    }
  }
}

/** Needs `text` to be valid JSON. Text from UTF-8 holds no halves, so only escapes can make them. */
function refuseHalfSurrogates(text: string): void {
  if (!/\\u[dD][89a-fA-F]/.test(text)) return;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) {
    const end = endOfString(text, at);
    const string = stringAt(text, at, end);
    if (!string.isWellFormed()) {
      throw new SyntaxError(`the string ${quote(string)} holds half of a surrogate pair`);
    }
    at = end;
  }
}

/** The value of the string whose quotes are at `start` and `end`. */
function stringAt(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end);
  return raw.includes("\\") ? JSON.parse(text.slice(start, end + 1)) : raw;
}

/** The index of the quote that closes the string that opens at `start`; the text's end when none does. */
function endOfString(text: string, start: number): number {
  let end = start + 1;
  for (;;) {
    end = text.indexOf('"', end);
    if (end < 0) return text.length;
    let backslashes = 0; // back to the last other character: each run of them is counted once
    while (text.charCodeAt(end - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return end;
    end++;
  }
}

function isKey(text: string, from: number): boolean {
  let at = from;
  while (text.charCodeAt(at) <= 0x20) at++;
  return text.charCodeAt(at) === 0x3a;
}
