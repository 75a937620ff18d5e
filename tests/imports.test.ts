import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { findViolations, type SourceFile } from "./imports.ts";

const root = join(import.meta.dir, "..");

function filesOfCheckout(): readonly SourceFile[] {
  const files = new Bun.Glob("{src,tests,bench,bin,deploy}/**/*.{ts,tsx,mjs}").scanSync({ cwd: root });
  return [...files].sort().map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
}

function violationsOf(sources: Record<string, string>): readonly string[] {
  return findViolations(Object.entries(sources).map(([path, text]) => ({ path, text })));
}

describe("the checkout", () => {
  test("findViolations finds nothing when it reads every source file", () => {
    const files = filesOfCheckout();
    expect(files.length).toBeGreaterThan(20);
    expect(findViolations(files)).toEqual([]);
  });
});

describe("planted violations", () => {
  const upward = [
    ['import { a } from "../store/a.ts";', "src/registry/x.ts", "src/store/a.ts", "registry is below store"],
    [
      'import type { A } from "../server/a.ts";',
      "src/access/x.ts",
      "src/server/a.ts",
      "access is below server",
    ],
    ['import "../cli/a.ts";', "src/server/x.ts", "src/cli/a.ts", "server is below cli"],
    ['export * from "../client/a.ts";', "src/oci/x.ts", "src/client/a.ts", "oci is below client"],
    [
      'const a = await import("../store/a.ts");',
      "src/client/x.ts",
      "src/store/a.ts",
      "client and store stand beside each other",
    ],
    [
      'import {\n  a,\n  type B,\n} from "../../layout/a.ts";',
      "src/store/deep/x.ts",
      "src/layout/a.ts",
      "store and layout stand beside each other",
    ],
    [
      'new Worker(new URL("../web/a.ts", import.meta.url));',
      "src/server/x.ts",
      "src/web/a.ts",
      "nothing imports web",
    ],
    ['import { a } from "../oci/a.ts";', "src/web/x.ts", "src/oci/a.ts", "web imports types from oci alone"],
    ['import type { A } from "../oci/a.ts";', "src/web/x.ts", "src/oci/a.ts", undefined],
    ['import { a } from "../../tests/a.ts";', "src/store/x.ts", "tests/a.ts", "it is outside of src"],
    ['import { a } from "./a.test.ts";', "src/store/x.ts", "src/store/a.test.ts", "it is test code"],
    ['import { a } from "../oci/a.ts";', "src/store/x.ts", "src/oci/a.ts", undefined],
    ['import { a } from "../layout/a.ts";', "src/store/x.test.ts", "src/layout/a.ts", undefined],
    [
      'import { a } from "../server/a.ts";',
      "src/store/x.test.ts",
      "src/server/a.ts",
      "store is below server",
    ],
  ] as const;

  test.each(upward)("findViolations judges %s in %s", (text, path, target, problem) => {
    const expected = problem ? [`${path} imports ${target}: ${problem}`] : [];
    expect(violationsOf({ [path]: text, [target]: "" })).toEqual(expected);
  });

  test("findViolations names a room when it is not on the design page", () => {
    expect(violationsOf({ "src/utils/x.ts": "" })).toEqual([
      "src/utils/x.ts is in the room utils, which the rules do not know",
    ]);
    expect(violationsOf({ "src/x.ts": "" })).toEqual(["src/x.ts is in no room"]);
  });

  test("findViolations refuses a suite of tests when product code imports it", () => {
    const suite = 'import { test } from "bun:test";';
    const found = violationsOf({
      "src/registry/suite.ts": suite,
      "src/store/x.ts": 'import "../registry/suite.ts";',
      "src/store/x.test.ts": 'import "../registry/suite.ts";',
    });
    expect(found).toEqual(["src/store/x.ts imports src/registry/suite.ts: it is test code"]);
  });

  test("findViolations shows the way round when files import each other", () => {
    const found = violationsOf({
      "src/oci/a.ts": 'import type { B } from "./b.ts";',
      "src/oci/b.ts": 'export { c } from "./c.ts";',
      "src/oci/c.ts": 'import { a } from "./a.ts";',
    });
    expect(found).toEqual(["a cycle: src/oci/a.ts -> src/oci/b.ts -> src/oci/c.ts -> src/oci/a.ts"]);
  });

  const bunOnly = [
    ['import { Database } from "bun:sqlite";', "imports bun:sqlite"],
    ['import { file } from "bun";', "imports bun"],
    ['export const a = Bun.file("x");', "uses Bun"],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a source file
    ["export const a = `${Bun.version}`;", "uses Bun"],
    ["const { serve } = globalThis.Bun;", "uses Bun"],
    ["export const a = import.meta.dir;", "uses import.meta.dir"],
  ] as const;

  test.each(bunOnly)("findViolations refuses %s where Node must run", (text, problem) => {
    for (const room of ["oci", "registry", "layout", "client"]) {
      const path = `src/${room}/x.ts`;
      expect(violationsOf({ [path]: text })).toEqual([
        `${path} ${problem}, which is Bun's alone: ${room} runs on Node too`,
      ]);
    }
    expect(violationsOf({ "src/store/x.ts": text, "src/server/x.ts": text })).toEqual([]);
  });

  test("findViolations refuses a Node module when it is in oci", () => {
    expect(violationsOf({ "src/oci/x.ts": 'import { createHash } from "node:crypto";' })).toEqual([
      "src/oci/x.ts imports node:crypto: oci runs in browsers too",
    ]);
  });

  test("findViolations passes over comments and texts", () => {
    const text = [
      '// import { a } from "../cli/a.ts"; Bun.serve',
      '/* import { a } from "../cli/a.ts"; */',
      "export const quotes = /[\"'`/*]/;",
      'export const message = "needs Bun, not // Node"; // export default',
      "export const other = `runs on Bun /* and */ Node`;",
    ].join("\n");
    expect(violationsOf({ "src/oci/x.ts": text })).toEqual([]);
  });

  test("findViolations refuses default exports and long files", () => {
    const line = "export const a = 1;\n";
    expect(violationsOf({ "src/oci/x.ts": "export default 1;" })).toEqual([
      "src/oci/x.ts has a default export",
    ]);
    expect(violationsOf({ "bench/x.ts": "export { a as default };" })).toEqual([
      "bench/x.ts has a default export",
    ]);
    expect(violationsOf({ "src/oci/x.ts": line.repeat(350), "src/oci/x.test.ts": line.repeat(900) })).toEqual(
      [],
    );
    expect(violationsOf({ "src/oci/x.ts": line.repeat(351) })).toEqual([
      "src/oci/x.ts has 351 lines, more than 350",
    ]);
  });
});
