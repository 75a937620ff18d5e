import { describe, expect, test } from "bun:test";
import type { Digest } from "../oci/digests.ts";
import type { Tag } from "../oci/names.ts";
import type { LineHead, TagEvent, TagPlan, TagState } from "../store/metadata/tag-policy.ts";
import { askFor, planEvent } from "./plan.ts";
import { createRuleReading } from "./rule-reading.ts";
import { tagRule } from "./rules.ts";

/** Tags that exist: name to digest, or to digest and why it points there. */
type Tags = Readonly<Record<string, string | readonly [digest: string, cause: TagState["cause"]]>>;

const settings = { repositories: ["gallery/*"], float: ["minor", "major", "latest"], prereleases: ["rc"] };

/** Plans an event as the store would, answering its questions from a plain list of tags. */
function plan(rule: object, present: Tags, event: Partial<TagEvent>, pasts: Tags = {}): TagPlan {
  const reading = createRuleReading(tagRule.parse({ ...settings, ...rule }));
  const whole: TagEvent = { kind: "push", scope: "tags", changes: [], ...event };
  const states = new Map(
    Object.entries(present).map(([tag, value]) => {
      const [digest, cause] = typeof value === "string" ? [value, "push" as const] : value;
      return [tag as Tag, { digest: digest as Digest, cause }]; // safe: tests name tags and stand-ins for digests
    }),
  );
  const questions = askFor(reading, whole);
  const changed = new Set(whole.changes.map(({ tag }) => tag));
  const heads = new Map<Tag, LineHead>();
  for (const line of questions.lines) {
    for (const [tag, { digest }] of states) {
      const place = reading.order.place(tag);
      const best = heads.get(line);
      if (!place?.lines.includes(line) || changed.has(tag) || (best && best.key > place.key)) continue;
      heads.set(line, { tag, digest, key: place.key });
    }
  }
  const asked = new Set(questions.tags);
  const tags = new Map([...states].filter(([tag]) => asked.has(tag)));
  const known = Object.entries(pasts).map(([tag, digest]) => [tag, digest] as [Tag, Digest]); // safe: as above
  return planEvent(reading, whole, { tags, pasts: new Map(known), heads });
}

const push = (tag: string, to = "new"): Partial<TagEvent> => ({
  changes: [{ tag: tag as Tag, to: to as Digest }], // safe: tests name tags and stand-ins for digests
});
const remove = (kind: TagEvent["kind"], ...tags: string[]): Partial<TagEvent> => ({
  kind,
  changes: tags.map((tag) => ({ tag: tag as Tag, to: undefined })), // safe: tests name tags
});

/** The lines as `tag: from -> to (reason)`. */
const shown = ({ lines }: TagPlan) =>
  lines.map(
    ({ tag, action, from = "-", to = "-", reason }) => `${action} ${tag}: ${from} -> ${to} (${reason})`,
  );

const rule = ["old", "rule"] as const;

describe("planEvent", () => {
  test("planEvent moves every floating tag above the first version", () => {
    expect(shown(plan({}, {}, push("2.1.3")))).toEqual([
      "create 2.1.3: - -> new (pushed)",
      "create 2.1: - -> new (2.1.3 is the highest of 2.1)",
      "create 2: - -> new (2.1.3 is the highest of 2)",
      "create latest: - -> new (2.1.3 is the highest of latest)",
    ]);
  });

  test("planEvent lets a patch to an older line move that line alone, and says why not the others", () => {
    const present = { "2.1.3": "old", "2.1": rule, "2": rule, latest: rule };
    const result = plan({}, present, push("2.0.9"));
    expect(shown(result)).toEqual([
      "create 2.0.9: - -> new (pushed)",
      "create 2.0: - -> new (2.0.9 is the highest of 2.0)",
      "keep 2: old -> old (2.1.3 stays the highest of 2)",
      "keep latest: old -> old (2.1.3 stays the highest of latest)",
    ]);
    expect(result.notes).toEqual([
      "2.0.9 moved 2.0; did not move 2 (2.1.3 stays the highest of 2), latest (2.1.3 stays the highest of latest)",
    ]);
  });

  test("planEvent lets a prerelease move the channel that the rule names, and nothing else", () => {
    expect(shown(plan({}, { "2.1.3": "old", latest: rule }, push("3.0.0-rc.1")))).toEqual([
      "create 3.0.0-rc.1: - -> new (pushed)",
      "create rc: - -> new (3.0.0-rc.1 is the highest of rc)",
    ]);
    expect(shown(plan({}, {}, push("3.0.0-beta.1")))).toEqual(["create 3.0.0-beta.1: - -> new (pushed)"]);
  });

  test("planEvent moves a variant's floating tags and leaves the plain ones", () => {
    const lines = shown(plan({ variants: true }, { "2.1.2": "old", "2.1": rule }, push("2.1.3-alpine3.20")));
    expect(lines.map((line) => line.split(":")[0])).toEqual([
      "create 2.1.3-alpine3.20",
      "create 2.1-alpine3.20",
      "create 2-alpine3.20",
      "create alpine3.20",
    ]);
  });

  test("planEvent does not take a variant's name that somebody set by hand", () => {
    const present = { production: "old", "2-production": "old" };
    const lines = shown(plan({ variants: true }, present, push("2.1.3-production")));
    expect(lines).toContain(
      "keep production: old -> old (was set by hand: a variant's name alone is left as it is)",
    );
    expect(lines).toContain(
      "move 2-production: old -> new (2.1.3-production is the highest of 2-production)",
    );
  });

  test("planEvent refuses a variant's name by hand when the rule set it and refuses that, and then alone", () => {
    const settings = { variants: true, "manual-floats": "refuse" };
    const present = { "2.1.3-alpine": "old", alpine: rule, production: "hand" } as const;
    expect(plan(settings, present, push("alpine")).lines).toMatchObject([
      { action: "refuse", reason: expect.stringContaining("follows 2.1.3-alpine, the highest of its line") },
    ]);
    expect(plan(settings, present, push("alpine", "old")).lines).toMatchObject([{ action: "keep" }]);
    expect(plan(settings, present, push("production")).lines).toMatchObject([{ action: "move" }]);
    expect(plan(settings, present, push("main")).lines).toMatchObject([{ action: "create" }]);
  });

  test.each([
    [false, "rc-alpine", "create"],
    [true, "rc-alpine", "refuse"],
    [true, "rc-5", "create"],
  ])(
    "planEvent with variants %p takes only what can be a prerelease's floating tag for one: %s",
    (variants, tag, action) => {
      const settings = { variants, "manual-floats": "refuse" };
      expect(plan(settings, {}, push(tag)).lines).toMatchObject([{ action }]);
    },
  );

  test("planEvent never moves a prerelease's floating tag to a stable version", () => {
    const present: Tags = { "3.0.0-rc.1": "old", rc: rule };
    const { lines, notes } = plan({ variants: true }, present, push("3.1.0_b1-rc"));
    expect(lines.map(({ tag }) => tag as string)).toEqual(["3.1.0_b1-rc"]);
    expect(notes.join()).toContain("a prerelease such as rc stands before build metadata");
  });

  test("planEvent moves nothing beside a version that is refused, and says so", () => {
    const present: Tags = { "2.1.3": "old", "2.1": rule, latest: rule };
    expect(shown(plan({ immutable: ["versions"] }, present, push("2.1.3")))).toEqual([
      "refuse 2.1.3: old -> new (is immutable and stays at old: push under a new version)",
      "keep 2.1: old -> old (nothing moves, as 2.1.3 is refused)",
      "keep latest: old -> old (nothing moves, as 2.1.3 is refused)",
    ]);
  });

  test("planEvent keeps the v that a repository uses", () => {
    const lines = shown(plan({}, {}, push("v2.1.3"))).map((line) => line.split(":")[0]);
    expect(lines).toEqual(["create v2.1.3", "create v2.1", "create v2", "create latest"]);
  });

  test("planEvent moves the floating tags of a deleted version back, and removes those that have none left", () => {
    const present: Tags = {
      ...{ "2.0.9": "a", "2.1.3": "old", "3.0.0": "c", "2.0": ["a", "rule"], "2.1": rule, "2": rule },
      ...{ "3": ["c", "rule"], latest: ["c", "rule"] },
    };
    expect(shown(plan({}, present, remove("delete", "2.1.3")))).toEqual([
      "remove 2.1.3: old -> - (deleted)",
      "remove 2.1: old -> - (no full version of 2.1 is left)",
      "move 2: old -> a (2.0.9 is the highest of 2)",
      "keep latest: c -> c (3.0.0 stays the highest of latest)",
    ]);
  });

  test("planEvent repairs a floating tag of its own that is not where the highest version is", () => {
    const lines = shown(plan({}, { "2.1.3": "old", latest: ["lost", "rule"] }, push("2.1.2")));
    expect(lines).toContain("move latest: lost -> old (2.1.3 is the highest of latest)");
    expect(lines).toContain("create 2.1: - -> old (2.1.3 is the highest of 2.1)");
  });

  test.each([
    ["2024", "2024 has the form of a floating tag, not of a full version: it moves no other tag"],
    ["1.2.3.4", "1.2.3.4 looks like a version and is none: SemVer has three numbers, and this has 4"],
    ["01.2.3", "01.2.3 looks like a version and is none: SemVer has no number with a leading zero"],
    ["v1.x", "v1.x looks like a version and is none: x is no number"],
    ["1".padEnd(128, "."), "looks like a version and is none: a number is missing"],
  ])("planEvent says what becomes of %s, which only looks like a version", (tag, note) => {
    const { lines, notes } = plan({ float: ["latest"] }, { "2.1.3": "old", latest: rule }, push(tag));
    expect(lines).toHaveLength(1);
    expect(notes.join()).toContain(note);
  });

  describe("with immutable versions", () => {
    const immutable = { immutable: ["versions", "release-*"] };

    test.each([
      ["other bytes", { "2.1.3": "old" }, push("2.1.3"), {}, "is immutable and stays at old"],
      ["another image after it was removed", {}, push("2.1.3"), { "2.1.3": "old" }, "was old before"],
      ["a deletion", { "2.1.3": "old" }, remove("delete", "2.1.3"), {}, "cannot be deleted"],
      ["a pattern's tag", { "release-7": "old" }, push("release-7"), {}, "is immutable and stays at old"],
      ["a move by hand", { "2.1.3": "old" }, { ...push("2.1.3"), kind: "move" as const }, {}, "is immutable"],
    ])("planEvent refuses %s", (_, present, event, pasts, reason) => {
      const { lines, notes } = plan(immutable, present as Tags, event, pasts as Tags);
      expect(lines[0]).toMatchObject({ action: "refuse" });
      expect(lines[0]?.reason).toContain(reason);
      expect(notes).toEqual([]);
    });

    test.each([
      ["the same bytes", { "2.1.3": "new" }, push("2.1.3"), {}],
      ["the same bytes after it was removed", {}, push("2.1.3"), { "2.1.3": "new" }],
      ["retention", { "2.1.3": "old" }, remove("retention", "2.1.3"), {}],
      [
        "a release that is taken back",
        { "2.1.3": "old" },
        { ...remove("rollback", "2.1.3"), scope: "release" as const },
        {},
      ],
      ["a floating tag", { "2.1.3": "old", "2.1": rule }, push("2.1.4"), {}],
    ])("planEvent allows %s", (_, present, event, pasts) => {
      const { lines } = plan(immutable, present as Tags, event, pasts as Tags);
      expect(lines.some(({ action }) => action === "refuse")).toBe(false);
    });
  });

  describe("with floating tags pushed by hand", () => {
    const present = { "2.1.3": "old", "2.1": rule, latest: rule } as const;

    test.each([
      ["latest", "follows 2.1.3, the highest of its line: push a full version"],
      ["2.1", "follows 2.1.3"],
      ["7", "push a full version, and 7 is made by itself"],
      ["rc", "push a full version, and rc is made by itself"],
    ])("planEvent refuses %s when the rule refuses them", (tag, reason) => {
      const { lines } = plan({ "manual-floats": "refuse" }, present, push(tag));
      expect(lines).toMatchObject([{ action: "refuse" }]);
      expect(lines[0]?.reason).toContain(reason);
    });

    test("planEvent takes them with the version that they follow", () => {
      const both = { changes: [...(push("2.1.4").changes ?? []), ...(push("2.1").changes ?? [])] };
      const { lines } = plan({ "manual-floats": "refuse" }, present, both);
      expect(lines.map(({ tag, action, cause }) => `${action} ${tag} by ${cause}`)).toEqual([
        "create 2.1.4 by push",
        "move 2.1 by rule",
        "create 2 by rule",
        "move latest by rule",
      ]);
    });

    test("planEvent leaves what was set by hand until a higher version comes", () => {
      const byHand = { "2.1.3": "old", latest: "hand" };
      const older = plan({}, byHand, push("2.0.0"));
      expect(shown(older)).toContain(
        "keep latest: hand -> hand (was set by hand: it stays until a version above 2.1.3 is pushed)",
      );
      expect(shown(plan({}, byHand, push("2.2.0")))).toContain(
        "move latest: hand -> new (2.2.0 is the highest of latest)",
      );
      expect(shown(plan({}, byHand, push("2.1.3", "old")))).toContain(
        "keep latest: hand -> hand (was set by hand: it stays until a version above 2.1.3 is pushed)",
      );
      expect(plan({}, present, push("latest")).notes).toEqual([
        "latest is a floating tag: it stays as you set it until the rule moves it to a higher version",
      ]);
    });
  });

  test("planEvent under calendar versions moves year, month and latest", () => {
    const present = { "2026.10.4": "old", latest: rule, "2026": rule };
    expect(shown(plan({ versions: "calver", prereleases: [] }, present, push("2026.11.0")))).toEqual([
      "create 2026.11.0: - -> new (pushed)",
      "create 2026.11: - -> new (2026.11.0 is the highest of 2026.11)",
      "move 2026: old -> new (2026.11.0 is the highest of 2026)",
      "move latest: old -> new (2026.11.0 is the highest of latest)",
    ]);
  });
});
