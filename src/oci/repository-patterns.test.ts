import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  isRepositoryPattern,
  literalPrefix,
  matchesRepository,
  parseRepositoryPattern,
  type RepositoryPattern,
} from "./repository-patterns.ts";

const matches = (pattern: string, name: string) => matchesRepository(parseRepositoryPattern(pattern), name);

describe("matchesRepository", () => {
  test.each([
    ["gallery/*", "gallery/app", true],
    ["gallery/*", "gallery", false],
    ["gallery/*", "gallery/app/web", false],
    ["gallery/**", "gallery/app/web", true],
    ["gallery/**", "gallery", true],
    ["gallery/**", "gallery2/app", false],
    ["**", "a/b/c", true],
    ["*", "a", true],
    ["*", "a/b", false],
    ["team-*/app", "team-a/app", true],
    ["team-*/app", "team-a/b/app", false],
    ["**/app", "app", true],
    ["a/**/z", "a/z", true],
    ["a/**/z", "a/b/c/z", true],
    ["a/**/z/**/q", "a/z/z/x/q", true],
    ["gallery/app", "gallery/app", true],
    ["gallery/app", "gallery/apps", false],
    ["a.c", "abc", false],
  ])("matchesRepository of %s and %s is %p", (pattern, name, expected) => {
    expect(matches(pattern, name)).toBe(expected);
  });

  const letter = fc.constantFrom("a", "b", "*");
  const component = fc.oneof(
    fc.constant("**"),
    fc.string({ unit: letter, minLength: 1, maxLength: 4 }).filter((text) => !text.includes("**")),
  );
  const patterns = fc.array(component, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/"));
  const names = fc
    .array(fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 4 }), {
      minLength: 1,
      maxLength: 5,
    })
    .map((parts) => parts.join("/"));

  test("matchesRepository agrees with a regular expression", () => {
    fc.assert(
      fc.property(patterns, names, (pattern, name) => {
        expect(matches(pattern, name)).toBe(asRegularExpression(pattern).test(`${name}/`));
      }),
      { numRuns: 2000 },
    );
  });

  test("matchesRepository is quick when every star could match everywhere", () => {
    const pattern = Array.from({ length: 60 }, () => "**/*a*a*a*b")
      .join("/")
      .slice(0, 251) as RepositoryPattern; // safe: cut inside letters
    expect(matchesRepository(pattern, Array.from({ length: 31 }, () => "aaaaaaa").join("/"))).toBe(false);
  });

  test("literalPrefix begins every name that matches", () => {
    fc.assert(
      fc.property(patterns, names, (pattern, name) => {
        fc.pre(matches(pattern, name));
        expect(`${name}/`.startsWith(literalPrefix(parseRepositoryPattern(pattern)))).toBe(true);
      }),
    );
  });
});

/** Each component with the `/` behind it. */
function asRegularExpression(pattern: string): RegExp {
  const parts = pattern
    .split("/")
    .map((part) => (part === "**" ? "(?:[^/]+/)*" : `${part.replaceAll("*", "[^/]*")}/`));
  return new RegExp(`^${parts.join("")}$`);
}

describe("parseRepositoryPattern", () => {
  test.each(["", "/", "a//b", "Gallery/*", "a/***", "a**", "a/ b", "a/*\n", "a/"])(
    "parseRepositoryPattern refuses %j",
    (text) => {
      expect(isRepositoryPattern(text)).toBe(false);
      expect(() => parseRepositoryPattern(text)).toThrow("invalid repository pattern");
    },
  );
});
