import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { repositoryNames, tags } from "../../tests/fixtures/references.ts";
import {
  isRepositoryName,
  isTag,
  maxRepositoryNameLength,
  maxTagLength,
  parseRepositoryName,
  parseTag,
} from "./names.ts";

/** Puts `piece` in at a place that `nat` chooses. */
function insert(text: string, piece: string, nat: number): string {
  const at = nat % (text.length + 1);
  return text.slice(0, at) + piece + text.slice(at);
}

describe("parseRepositoryName", () => {
  test("parseRepositoryName gives the text back when it is made by the grammar", () => {
    fc.assert(
      fc.property(repositoryNames, (text) => {
        expect(parseRepositoryName(text) as string).toBe(text);
      }),
      { numRuns: 500 },
    );
  });

  test("parseRepositoryName refuses a name when something that it must not hold is put in", () => {
    const pieces = fc.constantFrom(
      "A",
      "..",
      "//",
      "___",
      "-.",
      "._",
      "_-",
      "/-",
      "./",
      ":",
      "@",
      "%2F",
      "\\",
      " ",
      "\0",
      "é",
      "ａ",
    );
    fc.assert(
      fc.property(repositoryNames, pieces, fc.nat(), (text, piece, nat) => {
        const mutated = insert(text, piece, nat);
        expect(isRepositoryName(mutated)).toBe(false);
        expect(() => parseRepositoryName(mutated)).toThrow(expect.objectContaining({ code: "NAME_INVALID" }));
      }),
      { numRuns: 500 },
    );
  });

  test("parseRepositoryName refuses a name when a separator stands at an end", () => {
    fc.assert(
      fc.property(
        repositoryNames,
        fc.constantFrom(".", "_", "__", "-", "/", "../", "/.."),
        (text, separator) => {
          expect(isRepositoryName(separator + text)).toBe(false);
          expect(isRepositoryName(text + separator)).toBe(false);
          expect(isRepositoryName(`${text}/${separator}/${text}`)).toBe(false);
        },
      ),
    );
  });

  test("parseRepositoryName agrees with the specification's expression when it is given anything", () => {
    const expression = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/;
    const noise = fc.string({ unit: fc.constantFrom("a", "0", ".", "_", "-", "/", "A"), maxLength: 12 });
    fc.assert(
      fc.property(noise, (text) => {
        expect(isRepositoryName(text)).toBe(expression.test(text));
      }),
      { numRuns: 5000 },
    );
  });

  test("parseRepositoryName counts characters when a name is long", () => {
    expect(isRepositoryName("a".repeat(maxRepositoryNameLength))).toBe(true);
    expect(isRepositoryName("a".repeat(maxRepositoryNameLength + 1))).toBe(false);
    expect(isRepositoryName(`${"a/".repeat(127)}a`)).toBe(true);
    expect(isRepositoryName(`${"a/".repeat(127)}aa`)).toBe(false);
  });

  const faults: [text: string, message: string][] = [
    ["", 'invalid repository name "": it is empty'],
    ["Team/App", 'invalid repository name "Team/App": it must be lower case: try "team/app"'],
    ["Team//App", 'invalid repository name "Team//App": expected lower-case letters and digits'],
    ["a..b", 'invalid repository name "a..b": expected lower-case letters and digits'],
    ["a".repeat(256), "it has 256 characters, the most is 255"],
    ["a\u202eb", String.raw`invalid repository name "a\u202eb"`],
  ];
  test.each(faults)("parseRepositoryName says what is wrong when it is given %j", (text, message) => {
    expect(() => parseRepositoryName(text)).toThrow(message);
  });
});

describe("parseTag", () => {
  test("parseTag gives the text back when it is made by the grammar", () => {
    fc.assert(
      fc.property(tags, (text) => {
        expect(parseTag(text) as string).toBe(text);
      }),
    );
  });

  test("parseTag refuses a tag when something that it must not hold is put in", () => {
    const pieces = fc.constantFrom(":", "/", "@", "+", "~", " ", "\n", "\0", "%", "é", "１");
    fc.assert(
      fc.property(tags, pieces, fc.nat(), (text, piece, nat) => {
        const mutated = insert(text, piece, nat);
        expect(isTag(mutated)).toBe(false);
        expect(() => parseTag(mutated)).toThrow(expect.objectContaining({ code: "TAG_INVALID" }));
      }),
    );
  });

  test("parseTag counts characters when a tag is long", () => {
    expect(isTag("a".repeat(maxTagLength))).toBe(true);
    expect(isTag("a".repeat(maxTagLength + 1))).toBe(false);
  });

  const faults: [text: string, message: string][] = [
    ["", 'invalid tag "": it is empty'],
    [".1", 'invalid tag ".1": expected a letter, digit or _, then letters, digits and . _ -'],
    ["-1", 'invalid tag "-1": expected a letter'],
    ["latest\n", String.raw`invalid tag "latest\n": expected a letter`],
    ["a".repeat(129), "it has 129 characters, the most is 128"],
  ];
  test.each(faults)("parseTag says what is wrong when it is given %j", (text, message) => {
    expect(() => parseTag(text)).toThrow(message);
  });
});
