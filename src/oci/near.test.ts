import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { editDistance, nearest } from "./near.ts";

describe("nearest", () => {
  const tags = ["latest", "2.1.3", "2.1.2", "2.1", "2", "1.0.0", "1.0.0-alpine", "nightly", "edge"];
  const repositories = ["gallery/ui", "gallery/api", "library/alpine", "team-a/ui", "x", "team-a/web/ui-kit"];
  const cases: [missing: string, candidates: string[], expected: string[]][] = [
    ["lates", tags, ["latest"]],
    ["latets", tags, ["latest"]],
    ["LATEST", tags, ["latest"]],
    ["Nightly", tags, ["nightly"]],
    ["2.1.4", tags, ["2.1", "2", "2.1.3", "2.1.2"]],
    ["2.1", tags, ["2.1.3", "2.1.2", "2"]],
    ["1.0.0-alpin", tags, ["1.0.0-alpine", "1.0.0"]],
    ["1", tags, ["1.0.0", "1.0.0-alpine", "2.1", "2.1.3", "2.1.2"]],
    ["alpine", tags, ["1.0.0-alpine"]],
    ["e", tags, ["edge"]],
    ["production", tags, []],
    ["", tags, []],
    ["galery/ui", repositories, ["gallery/ui", "gallery/api"]],
    ["gallery/iu", repositories, ["gallery/ui", "gallery/api"]],
    ["gallery", repositories, ["gallery/ui", "gallery/api"]],
    ["ui", repositories, ["team-a/ui", "gallery/ui", "team-a/web/ui-kit"]],
    ["alpine", repositories, ["library/alpine"]],
    ["library/alpine/sub", repositories, ["library/alpine"]],
    ["zzz", repositories, []],
    ["ab", ["cd", "a", "b", ""], ["a", "b"]],
  ];
  test.each(cases)("ranks what is near to %j", (missing, candidates, expected) => {
    expect(nearest(missing, candidates, 10)).toEqual(expected);
  });

  test("leaves out the missing text itself", () => {
    expect(nearest("a1b", ["a1b", "A1B"], 5)).toEqual(["A1B"]);
  });

  test("keeps the candidates' order when they are equally near", () => {
    expect(nearest("v1.0", ["v1.3", "v1.1", "v1.2"], 5)).toEqual(["v1.3", "v1.1", "v1.2"]);
  });

  test("answers with at most the limit", () => {
    expect(nearest("v1.0", ["v1.3", "v1.1", "v1.2"], 2)).toEqual(["v1.3", "v1.1"]);
    expect(nearest("v1.0", ["v1.3"], 0)).toEqual([]);
    expect(nearest("v1.0", ["v1.3"], -1)).toEqual([]);
  });

  test("finds a long name with a few letters wrong when there are 500 long candidates", () => {
    const long = "component/".repeat(25);
    const candidates = Array.from({ length: 500 }, (_, at) => `${long}${at}`.padEnd(255, "z"));
    const meant = candidates[321] ?? "";
    expect(nearest(meant.replace("component", "compnoent"), candidates, 1)).toEqual([meant]);
  });

  test("answers with candidates only, each once and within the limit", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", "A", ".", "-", "/"), maxLength: 8 });
    const words = fc.uniqueArray(word, { maxLength: 12 });
    fc.assert(
      fc.property(word, words, fc.nat(5), (missing, candidates, limit) => {
        const answer = nearest(missing, candidates, limit);
        expect(answer.length).toBeLessThanOrEqual(limit);
        expect(new Set(answer).size).toBe(answer.length);
        for (const one of answer) expect(candidates).toContain(one);
      }),
    );
  });
});

describe("editDistance", () => {
  test("counts an insertion, an omission, a replacement and a swap as one", () => {
    expect(editDistance("alpine", "alpines", 3)).toBe(1);
    expect(editDistance("alpine", "alpne", 3)).toBe(1);
    expect(editDistance("alpine", "alpinx", 3)).toBe(1);
    expect(editDistance("alpine", "alpnie", 3)).toBe(1);
    expect(editDistance("ca", "abc", 3)).toBe(3);
  });

  test("is undefined when the texts are further apart than the bound", () => {
    expect(editDistance("alpine", "debian", 2)).toBeUndefined();
    expect(editDistance("a", "aaaa", 2)).toBeUndefined();
    expect(editDistance("ab", "cd", 0)).toBeUndefined();
  });

  test("agrees with the whole table, up to the bound", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 12 });
    fc.assert(
      fc.property(word, word, fc.nat(8), (a, b, most) => {
        const distance = wholeTable(a, b);
        expect(editDistance(a, b, most)).toBe(distance > most ? undefined : distance);
      }),
      { numRuns: 2000 },
    );
  });
});

/** The textbook's definition, without any bound or shortcut. */
function wholeTable(
  a: string,
  b: string,
  i = a.length,
  j = b.length,
  known = new Map<string, number>(),
): number {
  if (i === 0 || j === 0) return i + j;
  const key = `${i},${j}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  const same = a[i - 1] === b[j - 1];
  const costs = [
    wholeTable(a, b, i - 1, j, known) + 1,
    wholeTable(a, b, i, j - 1, known) + 1,
    wholeTable(a, b, i - 1, j - 1, known) + (same ? 0 : 1),
  ];
  if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
    costs.push(wholeTable(a, b, i - 2, j - 2, known) + 1);
  }
  const cost = Math.min(...costs);
  known.set(key, cost);
  return cost;
}
