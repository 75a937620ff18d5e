import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { UsageError } from "../command.ts";
import { compilePattern } from "./patterns.ts";

// What Go's path.Match answers, from its documentation and by hand from its rules.
const cases: readonly (readonly [string, string, boolean])[] = [
  ["abc", "abc", true],
  ["*", "abc", true],
  ["*c", "abc", true],
  ["a*", "a", true],
  ["a*", "abc", true],
  ["a*", "ab/c", false],
  ["a*/b", "abc/b", true],
  ["a*/b", "a/c/b", false],
  ["a*b*c*d*e*/f", "axbxcxdxe/f", true],
  ["a*b*c*d*e*/f", "axbxcxdxexxx/f", true],
  ["a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false],
  ["a*b*c*d*e*/f", "axbxcxdxexxx/fff", false],
  ["a*b?c*x", "abxbbxdbxebxczzx", true],
  ["a*b?c*x", "abxbbxdbxebxczzy", false],
  ["ab[c]", "abc", true],
  ["ab[b-d]", "abc", true],
  ["ab[e-g]", "abc", false],
  ["ab[^c]", "abc", false],
  ["ab[^b-d]", "abc", false],
  ["ab[^e-g]", "abc", true],
  ["a\\*b", "a*b", true],
  ["a\\*b", "ab", false],
  ["a?b", "a/b", false],
  ["a*b", "a/b", false],
  ["a[/]b", "a/b", true],
  ["[a-ζ]*", "α", true],
  ["*[a-ζ]", "A", false],
  ["*x", "xxx", true],
  ["**", "abc", true],
  ["", "", true],
  ["", "a", false],
  ["image-gallery", "image-gallery", true],
  ["*/image-gallery", "team/image-gallery", true],
  ["*/image-gallery", "image-gallery", false],
  ["*/image-gallery", "localhost:5000/team/image-gallery", false],
  ["*/*/image-gallery", "localhost:5000/team/image-gallery", true],
  ["image-*:1.[0-9]", "image-gallery:1.5", true],
];

const malformed = [
  "[",
  "[^",
  "[^bc",
  "[]a]",
  "[-]",
  "[x-]",
  "[-x]",
  "a[",
  "\\",
  "a\\",
  "[\\",
  "[a-b-c]",
  "*[",
];

describe("compilePattern", () => {
  for (const [pattern, text, expected] of cases) {
    test(`compilePattern of ${JSON.stringify(pattern)} ${expected ? "matches" : "does not match"} ${JSON.stringify(text)}`, () => {
      expect(compilePattern(pattern)(text)).toBe(expected);
    });
  }

  test("compilePattern refuses what is malformed", () => {
    for (const pattern of malformed) expect(() => compilePattern(pattern)).toThrow(UsageError);
  });

  const part = fc.constantFrom("a", "b", "/", "-", ":", ".", "*", "?");
  test("compilePattern agrees with a regular expression when there are no classes", () => {
    const expected = (pattern: string): RegExp => {
      const source = [...pattern].map((char) =>
        char === "*" ? "[^/]*" : char === "?" ? "[^/]" : char.replace(/[.\\-]/, "\\$&"),
      );
      return new RegExp(`^${source.join("")}$`);
    };
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 8 }).map((parts) => parts.join("")),
        fc
          .array(fc.constantFrom("a", "b", "/", "-", ":", "."), { maxLength: 8 })
          .map((parts) => parts.join("")),
        (pattern, text) => expect(compilePattern(pattern)(text)).toBe(expected(pattern).test(text)),
      ),
      { numRuns: 5000 },
    );
  });

  test("compilePattern matches a text with its characters escaped, and no other", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 10 }), fc.string({ maxLength: 10 }), (text, other) => {
        const matches = compilePattern([...text].map((char) => `\\${char}`).join(""));
        expect(matches(text)).toBe(true);
        expect(matches(other)).toBe(other === text);
      }),
    );
  });
});
