/** What has been typed so far. */
export interface TypedText {
  readonly text: string;
  /** What of it is not taken in yet: the rest behind a line, or an unfinished key. */
  readonly rest: string;
}

/** What came of typing. */
export type Typed =
  | { readonly kind: "more"; readonly typed: TypedText }
  | { readonly kind: "line"; readonly line: string; readonly rest: string }
  /** Ctrl-C. */
  | { readonly kind: "interrupt" }
  /** Ctrl-D on an empty line. */
  | { readonly kind: "end" };

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the keys
const escapeKey = /^\u001b(?:\[[0-9;?]*[ -/]*[@-~]|O.|[^[O])/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: likewise
const unfinishedKey = /^\u001b(?:\[[0-9;?]*[ -/]*|O)?$/;

/** Takes in keys of a terminal in raw mode: Enter, Backspace, Ctrl-U, Ctrl-C, Ctrl-D; arrows and the like do nothing. */
export function typeKeys({ text, rest }: TypedText): Typed {
  let line = text;
  let left = rest;
  while (left !== "") {
    if (unfinishedKey.test(left)) break;
    const [long] = escapeKey.exec(left) ?? [];
    const key = long ?? String.fromCodePoint(left.codePointAt(0) ?? 0);
    left = left.slice(key.length);
    if (key === "\r" || key === "\n") return { kind: "line", line, rest: left };
    if (key === "\u0003") return { kind: "interrupt" };
    if (key === "\u0004" && line === "") return { kind: "end" };
    line = edited(line, key);
  }
  return { kind: "more", typed: { text: line, rest: left } };
}

function edited(line: string, key: string): string {
  if (key === "\u007f" || key === "\b") return [...line].slice(0, -1).join("");
  if (key === "\u0015") return "";
  return /^\p{Cc}/u.test(key) ? line : line + key;
}
