import { matchesRepository, type RepositoryPattern } from "../oci/repository-patterns.ts";
import { allVersions, nameRule, type PlacedRule, type TagRule } from "./rules.ts";
import { matchesTag } from "./tag-patterns.ts";

/** What is wrong with rules, and what only should be known. */
export interface RuleFaults {
  /** Rules that cannot be meant so; none of them is taken. */
  readonly errors: readonly string[];
  /** What will be done where rules say different things. */
  readonly notes: readonly string[];
}

/** Looks for rules that contradict themselves or each other, and for those that can never match. In order of precedence. */
export function findRuleFaults(rules: readonly PlacedRule[]): RuleFaults {
  const errors: string[] = [];
  const notes: string[] = [];
  for (const [index, placed] of rules.entries()) {
    for (const fault of contradictionsIn(placed.rule)) errors.push(`${nameRule(placed)}: ${fault}`);
    for (const [at, pattern] of placed.rule.repositories.entries()) {
      const sameRule = placed.rule.repositories.slice(0, at);
      if (sameRule.some((other) => covers(other, pattern))) {
        errors.push(`${nameRule(placed)}: ${pattern} adds nothing to the patterns before it: take it out`);
        continue;
      }
      comparePatterns(rules.slice(0, index), placed, pattern, errors, notes);
    }
  }
  return { errors, notes };
}

/** Compares one pattern with the rules before its own, the first of which that matches a repository decides. */
function comparePatterns(
  earlier: readonly PlacedRule[],
  placed: PlacedRule,
  pattern: RepositoryPattern,
  errors: string[],
  notes: string[],
): void {
  for (const other of earlier) {
    for (const before of other.rule.repositories) {
      if (before === pattern) {
        errors.push(
          `${nameRule(placed)} and ${nameRule(other)} are both for ${pattern}: make one of them, the first decides`,
        );
      } else if (covers(before, pattern)) {
        errors.push(
          `${nameRule(placed)} can never match ${pattern}: ${nameRule(other)} decides for all of ${before}; put the narrower one first`,
        );
      } else if (!covers(pattern, before) && overlaps(before, pattern)) {
        notes.push(
          `a repository may match both ${before} and ${pattern}: then ${nameRule(other)} decides, not ${nameRule(placed)}`,
        );
      }
    }
  }
}

const sampleFloats: Readonly<Record<string, readonly string[]>> = {
  latest: ["latest"],
  major: ["0", "2", "17", "2026", "v2"],
  minor: ["0.1", "2.1", "17.0", "2026.11", "v2.1"],
};

function contradictionsIn(rule: TagRule): string[] {
  const faults: string[] = [];
  const floats = [...rule.float, ...rule.prereleases];
  if (rule.versions === "none") {
    if (floats.length > 0) faults.push(`versions is none, so nothing can move ${floats.join(", ")}`);
    if (rule["latest-fallback"]) faults.push("versions is none, so there is no highest version for latest");
    if (rule.immutable.includes(allVersions))
      faults.push("versions is none, so no tag is an immutable version");
    if (rule.variants !== false) faults.push("versions is none, so there are no variants");
    if (rule.retain?.newest !== undefined && rule.retain.by === "version") {
      faults.push("versions is none, so retain.newest cannot go by version: say by: time");
    }
  }
  for (const pattern of rule.immutable.filter((each) => each !== allVersions)) {
    const samples = floats.flatMap((level) => sampleFloats[level] ?? [level]);
    const covered = samples.find((sample) => matchesTag(pattern, sample));
    if (covered !== undefined) {
      faults.push(`immutable has ${pattern}, which covers ${covered}, and the rule is to move that tag`);
    }
  }
  if (rule["manual-floats"] === "refuse" && floats.length === 0) {
    faults.push("manual-floats is refuse, but the rule has no floating tags: add float");
  }
  const { retain } = rule;
  if (retain && retain.newest === undefined && retain["untagged-for"] === undefined) {
    faults.push("retain removes nothing without newest or untagged-for");
  }
  return faults;
}

/**
 * Whether every repository that `narrow` matches is matched by `wide`: tried with a name that stands for all that
 * `narrow` matches, whose stars are filled with text that no pattern has.
 */
export function covers(wide: RepositoryPattern, narrow: RepositoryPattern): boolean {
  if (!narrow.includes("*")) return matchesRepository(wide, narrow);
  const fill = "zq0";
  const depths = narrow.split("/").includes("**") ? [0, 1, 2, 3] : [1];
  return depths.every((depth) => {
    const name = narrow
      .split("/")
      .flatMap((part) =>
        part === "**" ? Array.from({ length: depth }, (_, at) => `${fill}${at}`) : part.replaceAll("*", fill),
      )
      .join("/");
    return name === "" || matchesRepository(wide, name);
  });
}

/** Whether some repository may match both. Components are compared by what stands before and behind their stars. */
function overlaps(one: RepositoryPattern, other: RepositoryPattern): boolean {
  return partsOverlap(one.split("/"), other.split("/"));
}

function partsOverlap(one: readonly string[], other: readonly string[]): boolean {
  const [a, ...restOfOne] = one;
  const [b, ...restOfOther] = other;
  if (a === undefined || b === undefined) return [...one, ...other].every((part) => part === "**");
  if (a === "**") return partsOverlap(restOfOne, other) || partsOverlap(one, restOfOther);
  if (b === "**") return partsOverlap(one, restOfOther) || partsOverlap(restOfOne, other);
  return componentsOverlap(a, b) && partsOverlap(restOfOne, restOfOther);
}

function componentsOverlap(a: string, b: string): boolean {
  if (!a.includes("*")) return matchesTag(b, a);
  if (!b.includes("*")) return matchesTag(a, b);
  const ends = (text: string) =>
    [text.slice(0, text.indexOf("*")), text.slice(text.lastIndexOf("*") + 1)] as const;
  const [startA, endA] = ends(a);
  const [startB, endB] = ends(b);
  return (
    (startA.startsWith(startB) || startB.startsWith(startA)) && (endA.endsWith(endB) || endB.endsWith(endA))
  );
}
