import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { withoutInsertion } from "./insertions.ts";

describe("withoutInsertion", () => {
  test.each([
    ["hosts", "a\n", "a\n1\tr\n", "a\n1\tr\nb\n", "a\nb\n"],
    ["hosts", "a\n", "a\n1\tr\n", "0\na\n1\tr\n", "0\na\n"],
    ["hosts", "a\n", "a\n1\tr\n", "a\n2\tr\n", undefined],
    ["hosts", "a\n", "a\n1\tr\n", "a\n1\tr\n1\tr\n", "a\n1\tr\n"],
    ["hosts", "a\n", "a\n1\tr\n", "1\tr\na\n2\ts\n1\tr\n", undefined],
    ["hosts", "a\n", "a\n1\tr\n", "1\tr\na\n1\tr\nb\n", "1\tr\na\nb\n"],
    ["hosts", "a\n", "b\n", "b\nc\n", undefined],
    ["hosts", "a\n", "a\n1\tr\n", "a\n#1\tr\n2\ts\n", undefined],
    ["hosts", "a\n", "a\n1\tr\n", "a\n11\tr\n2\ts\n", undefined],
    ["d.json", '["a"]', '["a","b"]', '["a","b","c"]', '["a","c"]'],
    ["d.json", "[]", '["b"]', '["b","c"]', undefined],
    ["d.json", "", '{"l":["b"]}', '{ "l": [\n "a", "b"\n] }', '{ "l": [\n "a"\n] }'],
    ["d.json", '{"l":["b"]}', '{"l":["b", "c"]}', '{"l":["b"]}', undefined],
    ["d.toml", "", '[a."r"]\n  x = 1\n', '[a."r"]\n  x = 1\n\n[b]\ny = 2\n', "\n[b]\ny = 2\n"],
    ["d.toml", "[a]\n", "[a]\nx = 1\n", "[a]\nx = 1\nx = 2\n", "[a]\nx = 2\n"],
  ] as const)("withoutInsertion of %s: %j, %j, now %j is %j", (path, before, after, now, expected) => {
    expect(withoutInsertion(path, before, after, now)).toBe(expected);
  });

  test("withoutInsertion leaves what others put before and behind it", () => {
    const lines = fc.array(fc.stringMatching(/^[a-y ]{1,6}$/), { maxLength: 4 });
    fc.assert(
      fc.property(lines, lines, lines, (old, first, last) => {
        const text = (all: readonly string[]) => all.map((line) => `${line}\n`).join("");
        const now = text([...first, ...old, "zz", ...last]);
        expect(withoutInsertion("hosts", text(old), text([...old, "zz"]), now)).toBe(
          text([...first, ...old, ...last]),
        );
      }),
    );
  });
});
