import { quote } from "./errors.ts";

/** Deepest nesting of arrays and objects that a manifest may have. */
export const maxDepth = 64;

/**
 * Parses JSON as `JSON.parse` does, and refuses what two readers could understand differently or what could exhaust
 * one: an object that has a key twice, nesting deeper than {@link maxDepth}, bytes that are not UTF-8.
 * @throws Error with a message that names what was wrong and where
 */
export function parseStrictJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new Error("it is not UTF-8", { cause });
  }
  let value: unknown;
  refuseDeepNesting(text);
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Error(`it is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  refuseDuplicateKeys(text);
  return value;
}

/** Walks over the brackets outside of strings. Text need not be JSON. */
function refuseDeepNesting(text: string): void {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x22) at = endOfString(text, at);
    else if (char === 0x7b || char === 0x5b) {
      if (++depth > maxDepth) throw new Error(`it is nested deeper than ${maxDepth} levels`);
    } else if (char === 0x7d || char === 0x5d) depth--;
  }
}

/** Needs `text` to be valid JSON. */
function refuseDuplicateKeys(text: string): void {
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x7b) open.push(new Set());
    else if (char === 0x5b) open.push(undefined);
    else if (char === 0x7d || char === 0x5d) open.pop();
    else if (char === 0x22) {
      const end = endOfString(text, at);
      const keys = open[open.length - 1];
      if (keys && isKey(text, end + 1)) {
        const key: string = JSON.parse(text.slice(at, end + 1));
        if (keys.has(key)) throw new Error(`the key ${quote(key)} stands twice in one object`);
        keys.add(key);
      }
      at = end;
    }
  }
}

/** The index of the quote that closes the string that opens at `start`; the text's end when none does. */
function endOfString(text: string, start: number): number {
  let end = start + 1;
  for (;;) {
    end = text.indexOf('"', end);
    if (end < 0) return text.length;
    let backslashes = 0;
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
