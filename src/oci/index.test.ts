import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const sources = readdirSync(import.meta.dir)
  .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts") && name !== "index.ts")
  .map((name) => ({ name, lines: readFileSync(join(import.meta.dir, name), "utf8").split("\n") }));

/** The lines that declare an export. The formatter puts each at the beginning of a line. */
function exportsOf(lines: readonly string[]): { readonly declaration: string; readonly before: string }[] {
  return lines.flatMap((line, at) =>
    /^export (?:abstract |async |declare )*(?:class|const|function|interface|type)\b/.test(line)
      ? [{ declaration: line, before: lines[at - 1] ?? "" }]
      : [],
  );
}

describe("index", () => {
  test("every export of the room has a docstring", () => {
    const exports = sources.flatMap(({ name, lines }) =>
      exportsOf(lines).map((found) => ({ name, ...found })),
    );
    expect(exports.length).toBeGreaterThan(50);
    expect(exports.filter(({ before }) => !before.endsWith("*/"))).toEqual([]);
  });

  test("no export is declared in a way that the check above does not see", () => {
    const others = sources.flatMap(({ lines }) => lines.filter((line) => line.startsWith("export ")).length);
    const seen = sources.flatMap(({ lines }) => exportsOf(lines).length);
    expect(others).toEqual(seen);
  });

  test("what index publishes is there when it is imported by the package's name", async () => {
    const published = await import("berth/oci");
    const here = await import("./index.ts");
    expect(Object.keys(published)).toEqual(Object.keys(here));
    expect(published.formatReference(published.parseReference("alpine:3.20"))).toBe(
      "docker.io/library/alpine:3.20",
    );
  });
});
