import { UsageError } from "../../command.ts";
import { functions, isTrue, printed, type Value } from "./functions.ts";
import { type Block, type Command, type Node, type Operand, type Pipeline, parseTemplate } from "./syntax.ts";

/**
 * A template that was parsed. Gives the text for one value, the dot, which has fields of fixed names: to ask for another
 * one is an error. What is below may be a map, where a name that is missing has no value.
 * @throws UsageError; UnknownFieldError
 */
export type Template = (dot: Value) => string;

/** A template asks for a field that there is not. */
export class UnknownFieldError extends UsageError {}

/** What is known at a place of a template. */
interface Scope {
  readonly dot: Value;
  /** What the template was called with. */
  readonly root: Value;
  readonly variables: Map<string, Value>;
}

/**
 * Parses a template as `docker --format` takes it: the language of Go's text/template without definitions, with
 * docker's functions.
 * @throws UsageError
 */
export function compileTemplate(text: string): Template {
  const nodes = parseTemplate(text);
  return (dot) => renderAll(nodes, { dot, root: dot, variables: new Map([["$", dot]]) });
}

function renderAll(nodes: readonly Node[], outer: Scope): string {
  const scope = { ...outer, variables: new Map(outer.variables) };
  return nodes.map((node) => render(node, scope)).join("");
}

function render(node: Node, scope: Scope): string {
  switch (node.kind) {
    case "text":
      return node.text;
    case "print":
      return printed(evaluate(node.pipeline, scope));
    case "set": {
      const value = evaluate(node.pipeline, scope);
      for (const name of node.names) scope.variables.set(name, value);
      return "";
    }
    default:
      return renderBlock(node, scope);
  }
}

function renderBlock(block: Block, scope: Scope): string {
  const value = evaluate(block.pipeline, scope);
  if (block.kind === "range") return renderRange(block, value, scope);
  const variables = new Map(scope.variables);
  for (const name of block.names) variables.set(name, value);
  const dot = block.kind === "with" && isTrue(value) ? value : scope.dot;
  return renderAll(isTrue(value) ? block.body : block.otherwise, { ...scope, dot, variables });
}

function renderRange({ names, body, otherwise }: Block, value: Value, scope: Scope): string {
  const items = itemsOf(value);
  if (items.length === 0) return renderAll(otherwise, scope);
  const [first, second] = names;
  return items
    .map(([key, item]) => {
      const variables = new Map(scope.variables);
      if (first) variables.set(first, second ? key : item);
      if (second) variables.set(second, item);
      return renderAll(body, { ...scope, dot: item, variables });
    })
    .join("");
}

/** What `range` goes through: a map in the order of its keys. */
function itemsOf(value: Value): readonly (readonly [Value, Value])[] {
  if (Array.isArray(value)) return [...value.entries()];
  if (value === null || value === undefined) return [];
  if (typeof value === "object") {
    return Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  }
  throw new UsageError(`template: range needs a list or a map, not ${JSON.stringify(value)}`);
}

function evaluate({ commands }: Pipeline, scope: Scope): Value {
  const [first, ...rest] = commands;
  if (!first) return undefined; // the parser gives at least one
  return rest.reduce<Value>((value, command) => call(command, scope, [value]), call(first, scope, []));
}

function call(command: Command, scope: Scope, last: readonly Value[]): Value {
  const [head, ...args] = command;
  if (head?.kind === "function") {
    const called = Object.hasOwn(functions, head.name) ? functions[head.name] : undefined;
    if (!called) {
      throw new UsageError(`template: there is no function ${JSON.stringify(head.name)}`);
    }
    return called(...args.map((arg) => resolved(arg, scope)), ...last);
  }
  if (!head || args.length > 0 || last.length > 0) {
    throw new UsageError("template: what is not a function was given arguments");
  }
  return resolved(head, scope);
}

function resolved(operand: Operand, scope: Scope): Value {
  if (operand.kind === "literal") return operand.value;
  if (operand.kind === "function") return call([operand], scope, []);
  const { of, names } = operand;
  return names.reduce<Value>((value, name) => fieldOf(value, name, scope.root), startOf(of, scope));
}

function startOf(of: "." | string | Pipeline, scope: Scope): Value {
  const { dot, variables } = scope;
  if (typeof of !== "string") return evaluate(of, scope);
  if (of === ".") return dot;
  if (variables.has(of)) return variables.get(of);
  throw new UsageError(`template: there is no variable ${of}`);
}

function fieldOf(value: Value, name: string, root: Value): Value {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "object" || Array.isArray(value)) {
    throw new UsageError(`template: ${JSON.stringify(value)} has no field ${name}`);
  }
  if (Object.hasOwn(value, name)) return (value as Record<string, Value>)[name];
  if (value !== root) return undefined;
  const known = Object.keys(value).join(", ");
  throw new UnknownFieldError(`template: there is no field ${name}: choose among ${known}`);
}
