import { dirname, join } from "node:path/posix";

/** A source file: its path from the checkout's folder, with slashes, and what it says. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** One import, re-export, dynamic import or file address of a source file. */
interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

interface Module extends SourceFile {
  readonly imports: readonly Import[];
  /** Files of the checkout that it imports. */
  readonly targets: readonly string[];
  /** A test, or what tests are made of: it may use the test runner and look beside itself. */
  readonly isTestCode: boolean;
}

/** Rooms from the ground up: a room may import from those of lower rows, never from one beside it. */
const rows = [
  ["oci"],
  ["registry"],
  ["layout", "client", "store"],
  ["mirror", "tagging", "access", "golden", "trust"],
  ["server"],
  ["cli"],
] as const;

/** These run on Node and in browsers too. */
const portableRooms = ["oci", "registry", "layout", "client"];

/** What a file may have at most, tests apart. */
const longestFile = 350;

/** Everything that goes against the rules of the design page about imports, exports and length; one line each. */
export function findViolations(files: readonly SourceFile[]): readonly string[] {
  const modules = new Map(files.map((file) => [file.path, toModule(file)]));
  const found = [...modules.values()].flatMap((module) => [
    ...directionViolations(module, modules),
    ...portabilityViolations(module),
    ...shapeViolations(module),
  ]);
  return [...found, ...findCycles(modules)];
}

function toModule(file: SourceFile): Module {
  const imports = importsOf(withoutComments(file.text));
  return {
    ...file,
    imports,
    targets: imports.filter(isRelative).map(({ specifier }) => join(dirname(file.path), specifier)),
    isTestCode: file.path.endsWith(".test.ts") || imports.some(({ specifier }) => specifier === "bun:test"),
  };
}

function isRelative({ specifier }: Import): boolean {
  return specifier.startsWith(".");
}

function importsOf(code: string): readonly Import[] {
  const fromClauses = code.matchAll(
    /^\s*(?:import|export)\b(\s+type\b)?[^"'`;]*?\bfrom\s*["']([^"']+)["']/gm,
  );
  const others = code.matchAll(
    /^\s*import\s*["']([^"']+)["']|\b(?:import|require|new Worker|new URL)\(\s*["'`](\.[^"'`]*|[^"'`:]+|bun:\w+)["'`]\s*[,)]/gm,
  );
  return [
    ...Array.from(fromClauses, ([, type, specifier = ""]) => ({ specifier, typeOnly: type !== undefined })),
    ...Array.from(others, ([, bare, called]) => ({ specifier: bare ?? called ?? "", typeOnly: false })),
  ];
}

// Strings, templates and regular expressions are matched so that what looks like a comment inside them is none.
const literals = String.raw`"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|${"`"}(?:\\.|[^${"`"}\\])*${"`"}|(?<=[=(,:[!&|?{};\n]\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/`;
const comments = String.raw`\/\*[\s\S]*?\*\/|\/\/[^\n]*`;

function withoutComments(text: string): string {
  return text.replace(new RegExp(`(${literals})|${comments}`, "g"), (_, literal?: string) => literal ?? "");
}

function withoutTexts(code: string): string {
  return code.replace(new RegExp(literals, "g"), (literal) =>
    literal.startsWith("`")
      ? Array.from(literal.matchAll(/\$\{([^}]*)\}/g), ([, inner]) => inner).join(";")
      : '""',
  );
}

function roomOf(path: string): string | undefined {
  return path.match(/^src\/([^/]+)\//)?.[1];
}

function rowOf(room: string): number {
  return rows.findIndex((row) => row.some((name) => name === room));
}

function directionViolations(module: Module, modules: ReadonlyMap<string, Module>): readonly string[] {
  if (!module.path.startsWith("src/")) return [];
  const room = roomOf(module.path);
  if (room === undefined) return [`${module.path} is in no room`];
  if (room !== "web" && rowOf(room) < 0)
    return [`${module.path} is in the room ${room}, which the rules do not know`];
  return module.imports.filter(isRelative).flatMap((item) => {
    const target = join(dirname(module.path), item.specifier);
    const problem = directionProblem(module, room, target, item.typeOnly, modules.get(target));
    return problem ? [`${module.path} imports ${target}: ${problem}`] : [];
  });
}

function directionProblem(
  module: Module,
  room: string,
  target: string,
  typeOnly: boolean,
  imported: Module | undefined,
): string | undefined {
  const other = roomOf(target);
  if (target === "package.json") return undefined; // the version
  if (target.startsWith("tests/fixtures/") && module.path.endsWith(".test.ts")) return undefined;
  if (other === undefined) return "it is outside of src";
  if (imported?.isTestCode && !module.isTestCode) return "it is test code";
  if (other === room) return undefined;
  if (room === "web") return other === "oci" && typeOnly ? undefined : "web imports types from oci alone";
  if (other === "web") return "nothing imports web";
  const distance = rowOf(room) - rowOf(other);
  if (distance > 0) return undefined;
  if (distance === 0) return module.isTestCode ? undefined : `${room} and ${other} stand beside each other`;
  return `${room} is below ${other}`;
}

function portabilityViolations({ path, text, imports, isTestCode }: Module): readonly string[] {
  const room = roomOf(path);
  if (room === undefined || !portableRooms.includes(room) || isTestCode) return [];
  const specifiers = imports.map(({ specifier }) => specifier);
  const bunModules = specifiers.filter((specifier) => /^bun(-types)?($|[:/])/.test(specifier));
  const nodeModules = room === "oci" ? specifiers.filter((specifier) => specifier.startsWith("node:")) : [];
  const code = withoutTexts(withoutComments(text));
  const globals = code.match(
    /(?<![\w$])(Bun|HTMLRewriter)(?![\w$])|\bimport\.meta\.(dir|file|path|env|main|require)\b/,
  );
  return [
    ...bunModules.map((name) => `${path} imports ${name}, which is Bun's alone: ${room} runs on Node too`),
    ...nodeModules.map((name) => `${path} imports ${name}: oci runs in browsers too`),
    ...(globals ? [`${path} uses ${globals[0]}, which is Bun's alone: ${room} runs on Node too`] : []),
  ];
}

function shapeViolations({ path, text, isTestCode }: Module): readonly string[] {
  const lines = text.split("\n").length - 1;
  const isDefault = /^\s*export\s+default\b|\bas\s+default\b[^"'`]*\}/m.test(
    withoutTexts(withoutComments(text)),
  );
  return [
    ...(isDefault ? [`${path} has a default export`] : []),
    ...(lines > longestFile && !isTestCode ? [`${path} has ${lines} lines, more than ${longestFile}`] : []),
  ];
}

function findCycles(modules: ReadonlyMap<string, Module>): readonly string[] {
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) found.push(`a cycle: ${[...trail.slice(start), path].join(" -> ")}`);
    if (start >= 0 || done.has(path)) return;
    for (const target of modules.get(path)?.targets ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of modules.keys()) visit(path, []);
  return found;
}
