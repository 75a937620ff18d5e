import { UsageError } from "../../command.ts";

/** A part of an action that has a value. */
export type Operand =
  | { readonly kind: "literal"; readonly value: string | number | boolean | null }
  | { readonly kind: "function"; readonly name: string }
  /** A field of what stands before it: the dot, a variable, or a pipeline in parentheses. */
  | { readonly kind: "fields"; readonly of: "." | string | Pipeline; readonly names: readonly string[] };

/** Operands that make one call, or a single one that is a value. */
export type Command = readonly Operand[];

/** Commands, each of which gets the value of the one before it as its last argument. */
export interface Pipeline {
  readonly commands: readonly Command[];
}

/** A part of a template. */
export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "print"; readonly pipeline: Pipeline }
  | { readonly kind: "set"; readonly names: readonly string[]; readonly pipeline: Pipeline }
  | Block;

/** An action with a body. */
export interface Block {
  readonly kind: "if" | "with" | "range";
  /** Variables that it declares. */
  readonly names: readonly string[];
  readonly pipeline: Pipeline;
  readonly body: readonly Node[];
  readonly otherwise: readonly Node[];
}

/** One token of an action. */
interface Token {
  readonly kind: "word" | "field" | "variable" | "string" | "number" | "symbol";
  readonly text: string;
  /** Whether a blank stands before it: `.a .b` are two operands, `$x.b` is one. */
  readonly isApart: boolean;
}

interface Action {
  readonly source: string;
  readonly tokens: readonly Token[];
}

/**
 * Parses a template of Go's text/template, without definitions of templates. https://pkg.go.dev/text/template
 * @throws UsageError
 */
export function parseTemplate(template: string): readonly Node[] {
  const parts = splitActions(template);
  const { nodes, end } = parseNodes(parts, 0);
  if (end < parts.length) throw new UsageError(`template: unexpected {{${actionAt(parts, end)?.source}}}`);
  return nodes;
}

type Part = string | Action;

function splitActions(template: string): readonly Part[] {
  const parts: Part[] = [];
  let text = "";
  let rest = template;
  while (rest !== "") {
    const start = rest.indexOf("{{");
    if (start < 0) break;
    const inside = actionIn(rest.slice(start + 2));
    const trimsBefore = /^-\s/.test(inside);
    const trimsAfter = /\s-$/.test(inside);
    text += rest.slice(0, start);
    if (trimsBefore) text = text.trimEnd();
    rest = rest.slice(start + 2 + inside.length + 2);
    if (trimsAfter) rest = rest.trimStart();
    const source = inside.slice(trimsBefore ? 1 : 0, trimsAfter ? -1 : undefined).trim();
    if (source.startsWith("/*") && source.endsWith("*/")) continue;
    if (text !== "") parts.push(text);
    text = "";
    parts.push({ source, tokens: tokensOf(source) });
  }
  text += rest;
  return text === "" ? parts : [...parts, text];
}

/** What stands before the `}}` that ends an action; one within a text does not. */
function actionIn(rest: string): string {
  const found = /^(?:"(?:\\.|[^"\\\n])*"|`[^`]*`|'(?:\\.|[^'\\])*'|(?!\}\})[^"`'])*(?=\}\})/.exec(rest);
  if (found) return found[0];
  throw new UsageError(`template: an action is not closed: {{${rest.slice(0, 40)}`);
}

const tokenShape =
  /("(?:\\.|[^"\\\n])*"|`[^`]*`)|(\$[A-Za-z0-9_]*)|(\.[\p{L}_][\p{L}\p{N}_]*)|([\p{L}_][\p{L}\p{N}_]*)|([+-]?\d+(?:\.\d+)?)|(:=|[().|,=])/uy;

function tokensOf(source: string): readonly Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < source.length; ) {
    const blank = /\s*/y;
    blank.lastIndex = at;
    const start = at + (blank.exec(source)?.[0].length ?? 0);
    tokenShape.lastIndex = start;
    const found = tokenShape.exec(source);
    if (!found) {
      if (start === source.length) break;
      throw new UsageError(
        `template: ${JSON.stringify(source.slice(start))} in {{${source}}} is not understood`,
      );
    }
    const [text, string, variable, field, word, number] = found;
    const kind = string
      ? "string"
      : variable
        ? "variable"
        : field
          ? "field"
          : word
            ? "word"
            : number
              ? "number"
              : "symbol";
    tokens.push({ kind, text, isApart: start > at || at === 0 });
    at = start + text.length;
  }
  return tokens;
}

function actionAt(parts: readonly Part[], at: number): Action | undefined {
  const part = parts[at];
  return typeof part === "string" ? undefined : part;
}

interface Parsed {
  readonly nodes: readonly Node[];
  /** Where an `end` or `else` stands that belongs to what is around; the number of parts when there is none. */
  readonly end: number;
}

function parseNodes(parts: readonly Part[], start: number): Parsed {
  const nodes: Node[] = [];
  for (let at = start; at < parts.length; ) {
    const part = parts[at];
    if (part === undefined) break;
    if (typeof part === "string") {
      nodes.push({ kind: "text", text: part });
      at++;
      continue;
    }
    const keyword = part.tokens[0]?.kind === "word" ? part.tokens[0].text : "";
    if (keyword === "end" || keyword === "else") return { nodes, end: at };
    if (keyword === "if" || keyword === "with" || keyword === "range") {
      const { block, end } = parseBlock(parts, at, { kind: keyword, head: part.tokens.slice(1) });
      nodes.push(block);
      at = end;
      continue;
    }
    const { names, pipeline } = parseDeclaration(part.tokens, part.source);
    nodes.push(names.length > 0 ? { kind: "set", names, pipeline } : { kind: "print", pipeline });
    at++;
  }
  return { nodes, end: parts.length };
}

function parseBlock(
  parts: readonly Part[],
  start: number,
  { kind, head }: { readonly kind: Block["kind"]; readonly head: readonly Token[] },
): { readonly block: Block; readonly end: number } {
  const source = actionAt(parts, start)?.source ?? "";
  const { names, pipeline } = parseDeclaration(head, source);
  const body = parseNodes(parts, start + 1);
  const closing = actionAt(parts, body.end);
  if (!closing) throw new UsageError(`template: {{${source}}} has no {{end}}`);
  const shared = { kind, names, pipeline, body: body.nodes };
  if (closing.tokens[0]?.text === "end") return { block: { ...shared, otherwise: [] }, end: body.end + 1 };
  const next = closing.tokens[1];
  if (next?.text === "if" || next?.text === "with") {
    const inner = parseBlock(parts, body.end, { kind: next.text, head: closing.tokens.slice(2) });
    return { block: { ...shared, otherwise: [inner.block] }, end: inner.end };
  }
  const otherwise = parseNodes(parts, body.end + 1);
  if (actionAt(parts, otherwise.end)?.tokens[0]?.text !== "end") {
    throw new UsageError(`template: {{${source}}} has no {{end}}`);
  }
  return { block: { ...shared, otherwise: otherwise.nodes }, end: otherwise.end + 1 };
}

/** `$i, $x := pipeline`, `$x = pipeline`, or a pipeline alone. */
function parseDeclaration(
  tokens: readonly Token[],
  source: string,
): { readonly names: readonly string[]; readonly pipeline: Pipeline } {
  const sign = tokens.findIndex(({ text }) => text === ":=" || text === "=");
  const names = tokens.slice(0, Math.max(0, sign)).filter(({ text }) => text !== ",");
  const isDeclaration = sign > 0 && names.every(({ kind }) => kind === "variable");
  const reader = createReader(isDeclaration ? tokens.slice(sign + 1) : tokens, source);
  const pipeline = readPipeline(reader);
  if (reader.peek()) throw reader.wrong();
  return { names: isDeclaration ? names.map(({ text }) => text) : [], pipeline };
}

function createReader(tokens: readonly Token[], source: string) {
  let at = 0;
  return {
    peek: () => tokens[at],
    next: () => tokens[at++],
    wrong: () => {
      const found = tokens[at]?.text;
      const where = found === undefined ? "its end" : JSON.stringify(found);
      return new UsageError(`template: {{${source}}} is wrong at ${where}`);
    },
  };
}

type Reader = ReturnType<typeof createReader>;

function readPipeline(reader: Reader): Pipeline {
  const commands: Command[] = [];
  for (;;) {
    const command: Operand[] = [];
    for (
      let token = reader.peek();
      token && token.text !== "|" && token.text !== ")";
      token = reader.peek()
    ) {
      command.push(readOperand(reader));
    }
    if (command.length === 0) throw reader.wrong();
    commands.push(command);
    if (reader.peek()?.text !== "|") return { commands };
    reader.next();
  }
}

const words: Readonly<Record<string, boolean | null>> = { true: true, false: false, nil: null };

function readOperand(reader: Reader): Operand {
  const token = reader.next();
  switch (token?.kind) {
    case "string":
      return { kind: "literal", value: unquote(token.text) };
    case "number":
      return { kind: "literal", value: Number(token.text) };
    case "word":
      return Object.hasOwn(words, token.text)
        ? { kind: "literal", value: words[token.text] ?? null }
        : { kind: "function", name: token.text };
    case "field":
      return { kind: "fields", of: ".", names: [token.text.slice(1), ...readFields(reader)] };
    case "variable":
      return { kind: "fields", of: token.text, names: readFields(reader) };
    case "symbol":
      if (token.text === ".") return { kind: "fields", of: ".", names: [] };
      if (token.text === "(") {
        const of = readPipeline(reader);
        if (reader.next()?.text === ")") return { kind: "fields", of, names: readFields(reader) };
      }
  }
  throw reader.wrong();
}

function readFields(reader: Reader): string[] {
  const names: string[] = [];
  for (let token = reader.peek(); token?.kind === "field" && !token.isApart; token = reader.peek()) {
    names.push(token.text.slice(1));
    reader.next();
  }
  return names;
}

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };

function unquote(text: string): string {
  const inside = text.slice(1, -1);
  return text.startsWith("`") ? inside : inside.replace(/\\(.)/g, (_, char: string) => escapes[char] ?? char);
}
