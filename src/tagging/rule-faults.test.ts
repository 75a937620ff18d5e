import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  isRepositoryPattern,
  matchesRepository,
  type RepositoryPattern,
} from "../oci/repository-patterns.ts";
import { placeRules } from "./policies.ts";
import { covers, findRuleFaults } from "./rule-faults.ts";
import { tagRule } from "./rules.ts";

const faultsOf = (...rules: object[]) =>
  findRuleFaults(
    placeRules(
      rules.map((rule) => tagRule.parse(rule)),
      [],
    ),
  );
const forAll = (...repositories: string[]) => ({ repositories, float: ["latest"] });

describe("findRuleFaults", () => {
  test.each([
    [
      [forAll("gallery/*"), forAll("gallery/*")],
      "rule 2 of the settings file and rule 1 of the settings file are both",
    ],
    [[forAll("**"), forAll("gallery/*")], "rule 2 of the settings file can never match gallery/*"],
    [[forAll("gallery/**"), forAll("gallery/app-*")], "put the narrower one first"],
    [[forAll("gallery/*", "gallery/app")], "gallery/app adds nothing"],
    [[{ ...forAll("a"), versions: "none" }], "nothing can move latest"],
    [[{ repositories: ["a"], versions: "none", "latest-fallback": true }], "no highest version"],
    [[{ repositories: ["a"], versions: "none", immutable: ["versions"] }], "no tag is an immutable version"],
    [[{ ...forAll("a"), immutable: ["*"] }], "covers latest"],
    [[{ repositories: ["a"], float: ["minor"], immutable: ["v*"] }], "covers v2.1"],
    [[{ repositories: ["a"], "manual-floats": "refuse" }], "no floating tags"],
    [[{ repositories: ["a"], retain: { "pulled-within": "9d" } }], "removes nothing"],
    [[{ repositories: ["a"], versions: "none", retain: { newest: 3 } }], "say by: time"],
  ])("findRuleFaults names what is wrong in %j", (rules, fault) => {
    expect(faultsOf(...rules).errors.join("\n")).toContain(fault);
  });

  test("findRuleFaults says which of two rules decides where both match", () => {
    const { errors, notes } = faultsOf(forAll("gallery/*"), forAll("*/app"));
    expect(errors).toEqual([]);
    expect(notes).toEqual([
      "a repository may match both gallery/* and */app: then rule 1 of the settings file decides, not rule 2 of the settings file",
    ]);
  });

  test("findRuleFaults finds nothing in rules from narrow to wide", () => {
    const rules = [forAll("gallery/app"), forAll("gallery/*", "team-a/**"), forAll("**")];
    expect(faultsOf(...rules)).toEqual({ errors: [], notes: [] });
  });
});

describe("covers", () => {
  test("covers is true only when all that the narrow pattern matches is matched by the wide one", () => {
    const part = fc.constantFrom("a", "b", "a*", "*b", "*", "**");
    const pattern = fc
      .array(part, { minLength: 1, maxLength: 3 })
      .map((parts) => parts.join("/"))
      .filter((text): text is RepositoryPattern => isRepositoryPattern(text));
    const name = fc
      .array(fc.constantFrom("a", "b", "ab", "ac", "cb"), { minLength: 1, maxLength: 5 })
      .map((parts) => parts.join("/"));
    fc.assert(
      fc.property(pattern, pattern, name, (wide, narrow, repository) => {
        if (!covers(wide, narrow) || !matchesRepository(narrow, repository)) return;
        expect(matchesRepository(wide, repository)).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });
});
