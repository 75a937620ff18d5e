import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Digest } from "../oci/digests.ts";
import type { Tag } from "../oci/names.ts";
import type { TagCause } from "../store/metadata/tag-policy.ts";
import { planRetention, type RetentionFacts } from "./retention.ts";
import { createRuleReading } from "./rule-reading.ts";
import { tagRule } from "./rules.ts";

const now = new Date("2026-11-25T12:00:00Z");
const daysAgo = (days: number) => new Date(now.getTime() - days * 86_400_000);

/** Tags by name: a stand-in for a digest, how many days ago they were set, and why if not by a push. */
type Tags = Readonly<Record<string, readonly [digest: string, days: number, cause?: TagCause]>>;
type Days = Readonly<Record<string, number>>;

interface Uses {
  readonly pulls?: Days;
  readonly former?: Days;
  readonly untagged?: Days;
  /** How many days ago what a tag points at came here, where the tag is older. */
  readonly arrived?: Days;
}

function plan(retain: object, tags: Tags, uses: Uses = {}) {
  const settings = { repositories: ["a"], float: ["minor", "latest"], variants: true, retain };
  const toDates = (days: Days = {}) =>
    new Map(Object.entries(days).map(([digest, age]) => [digest as Digest, daysAgo(age)])); // safe: a stand-in
  const facts: RetentionFacts = {
    tags: Object.entries(tags).map(([tag, [digest, days, cause = "push"]]) => ({
      tag: tag as Tag, // safe: tests name tags and stand-ins for digests
      digest: digest as Digest,
      cause,
      since: daysAgo(days),
      arrived: daysAgo(uses.arrived?.[digest] ?? days),
    })),
    untagged: [...toDates(uses.untagged)].map(([digest, since]) => ({ digest, since })),
    pulls: toDates(uses.pulls),
    formerTargets: toDates(uses.former),
  };
  return planRetention(createRuleReading(tagRule.parse(settings)), facts, now);
}

const shown = (lines: ReturnType<typeof plan>) =>
  lines.map(({ tag, digest, action, reason }) => `${action} ${tag ?? digest}: ${reason}`);

const versions: Tags = {
  "1.0.0": ["a", 400],
  "1.1.0": ["b", 300],
  "1.1.0-alpine": ["c", 300],
  "1.2.0": ["d", 200],
  "1.10.0": ["e", 100],
  "1.0.1": ["f", 10],
};

describe("planRetention", () => {
  test("planRetention keeps the newest by version, all variants of one counted once", () => {
    expect(shown(plan({ newest: 3 }, versions))).toEqual([
      "remove 1.0.0: is not among the newest 3 versions, and nothing else keeps it",
      "keep 1.1.0: is among the newest 3 versions",
      "keep 1.1.0-alpine: is among the newest 3 versions",
      "keep 1.2.0: is among the newest 3 versions",
      "keep 1.10.0: is among the newest 3 versions",
      "remove 1.0.1: is not among the newest 3 versions, and nothing else keeps it",
    ]);
  });

  test("planRetention keeps the newest by time when the rule says so", () => {
    const kept = plan({ newest: 2, by: "time" }, versions).filter(({ action }) => action === "keep");
    expect(kept.map(({ tag }) => tag as string)).toEqual(["1.10.0", "1.0.1"]);
  });

  test.each<[string, object, Tags, Parameters<typeof plan>[2], string]>([
    ["a floating tag", {}, { latest: ["x", 900] }, {}, "is a floating tag"],
    ["a variant's name that the rule set", {}, { alpine: ["x", 900, "rule"] }, {}, "is a floating tag"],
    ["what one points at", {}, { "0.1.0": ["x", 900], latest: ["x", 900] }, {}, "is what latest points at"],
    ["what matches", { keep: ["*-lts"] }, { "0.1.0-lts": ["x", 900] }, {}, "matches *-lts"],
    [
      "what was pulled",
      { "pulled-within": "90d" },
      { "0.1.0": ["x", 900] },
      { pulls: { x: 89 } },
      "was pulled 89 days ago",
    ],
    [
      "what was imported lately",
      { "pulled-within": "90d" },
      { "0.1.0": ["x", 900] },
      { arrived: { x: 3 } },
      "was imported 3 days ago",
    ],
    ["what is new", { "pulled-within": "90d" }, { "0.1.0": ["x", 2] }, {}, "was tagged 2 days ago"],
    [
      "what may still run",
      { "pulled-within": "90d" },
      { "0.1.0": ["x", 900] },
      { former: { x: 5 } },
      "is what a tag pointed at until 5 days ago: something may still run it",
    ],
  ])("planRetention keeps %s", (_, retain, tags, uses, reason) => {
    const lines = plan({ newest: 1, ...retain }, { ...tags, "9.0.0": ["y", 0], main: ["z", 0] }, uses);
    expect(lines[0]).toMatchObject({ action: "keep", reason });
  });

  test.each<[string, Parameters<typeof plan>[2]]>([
    ["pulled too long ago", { pulls: { x: 91 } }],
    ["a tag's former target too long ago", { former: { x: 91 } }],
    ["never used", {}],
  ])("planRetention removes what was %s", (_, uses) => {
    const tags: Tags = { "0.1.0": ["x", 900], "9.0.0": ["y", 0] };
    expect(plan({ newest: 1, "pulled-within": "90d" }, tags, uses)[0]).toMatchObject({ action: "remove" });
  });

  test("planRetention removes manifests without a tag after their time, unless they were pulled", () => {
    const uses = { untagged: { old: 8, young: 6, used: 8 }, pulls: { used: 1 } };
    expect(shown(plan({ "untagged-for": "7d", "pulled-within": "30d" }, {}, uses))).toEqual([
      "remove old: has had no tag for 8 days",
      "keep young: has had no tag for 6 days only",
      "keep used: was pulled 24 hours ago",
    ]);
  });

  test("planRetention gives a reason for every tag, and never removes more than all but the newest", () => {
    const tag = fc.constantFrom(
      "1.0.0",
      "1.1.0",
      "2.0.0-rc.1",
      "v3",
      "latest",
      "main",
      "dev",
      "1.0.0-alpine",
      "01.2",
    );
    const tags = fc.dictionary(tag, fc.tuple(fc.constantFrom("a", "b", "c"), fc.nat(500)));
    fc.assert(
      fc.property(tags, fc.integer({ min: 1, max: 4 }), (given, newest) => {
        const lines = plan({ newest }, given);
        expect(lines.map((line) => line.tag as string)).toEqual(Object.keys(given));
        expect(lines.every(({ reason }) => reason.length > 0)).toBe(true);
        const left = lines.filter(({ action }) => action === "keep").length;
        expect(left).toBeGreaterThanOrEqual(Math.min(newest, lines.length));
      }),
    );
  });
});
