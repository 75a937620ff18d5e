import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import compareBuild from "semver/functions/compare-build.js";
import type { Tag } from "../oci/names.ts";
import { type FloatNames, floatsOf } from "./floats.ts";
import { readTag, type Version, type VersionReading } from "./versions.ts";

const strict: VersionReading = { scheme: "semver", variants: false, prereleases: [] };
const docker: VersionReading = { scheme: "semver", variants: true, prereleases: ["hotfix"] };
const calendar: VersionReading = { scheme: "calver", variants: true, prereleases: [] };

const read = (text: string, reading: VersionReading) => readTag(text as Tag, reading); // safe: tests name tags

function versionOf(text: string, reading: VersionReading): Version {
  const found = read(text, reading);
  if (found.kind !== "version") throw new Error(`${text} is a ${found.kind}: ${JSON.stringify(found)}`);
  return found.version;
}

describe("readTag", () => {
  const versions: [tag: string, reading: VersionReading, parts: Partial<Version>][] = [
    ["2.1.3", strict, { prefix: "", prerelease: undefined, variant: undefined }],
    ["v2.1.3", strict, { prefix: "v", numbers: ["2", "1", "3"] }],
    ["0.0.0", strict, {}],
    ["9007199254740991.0.0", strict, {}],
    ["3.0.0-rc.1", strict, { prerelease: "rc" }],
    ["3.0.0-RC1", strict, { prerelease: "rc" }],
    ["3.0.0-alpine3.20", strict, { prerelease: "alpine" }],
    ["3.0.0-1", strict, { prerelease: "" }],
    ["1.2.3_45", strict, { prerelease: undefined, variant: undefined }],
    ["1.2.3-rc.1_build-5", strict, { prerelease: "rc" }],
    ["2.1.3-alpine3.20", docker, { variant: "alpine3.20", family: "alpine", prerelease: undefined }],
    ["2.1.3-slim-bookworm", docker, { variant: "slim-bookworm", family: "slim-bookworm" }],
    ["2.1.3-debian-12", docker, { variant: "debian-12", family: "debian" }],
    ["2.1.3-windowsservercore-ltsc2022", docker, { family: "windowsservercore-ltsc" }],
    ["3.0.0-rc.1-alpine", docker, { prerelease: "rc", variant: "alpine" }],
    ["3.0.0-rc-2", docker, { prerelease: "rc", variant: undefined }],
    ["3.0.0-rc-2-alpine", docker, { prerelease: "rc", variant: "alpine" }],
    ["3.0.0-20260101", docker, { prerelease: "", variant: undefined }],
    ["3.0.0-hotfix.1", docker, { prerelease: "hotfix", variant: undefined }],
    ["17.0.1_12-jre-alpine", docker, { variant: "jre-alpine", prerelease: undefined }],
    ["3.0.0-beta.1_5-slim", docker, { prerelease: "beta", variant: "slim" }],
    ["2026.11.3", calendar, { numbers: ["2026", "11", "3"] }],
    ["2026.01.15.2", calendar, { numbers: ["2026", "01", "15", "2"] }],
    ["26.04.1-slim", calendar, { variant: "slim" }],
    ["2026.11.0-rc.1", calendar, { prerelease: "rc" }],
  ];
  test.each(versions)("readTag takes %s for a full version", (tag, reading, parts) => {
    expect(versionOf(tag, reading)).toMatchObject(parts);
  });

  const others: [tag: string, reading: VersionReading, kind: string, fault: string][] = [
    ["2024", strict, "float", ""],
    ["2.1", strict, "float", ""],
    ["v2", strict, "float", ""],
    ["2-alpine", docker, "float", ""],
    ["2026.11", calendar, "float", ""],
    ["2-alpine", strict, "lookalike", "1"],
    ["1.2.3.4", strict, "lookalike", "has 4"],
    ["01.2.3", strict, "lookalike", "leading zero"],
    ["1.02.3-rc", strict, "lookalike", "leading zero"],
    ["v1.x", strict, "lookalike", "x is no number"],
    ["V1.2.3", strict, "lookalike", "lower case"],
    ["1.2.", strict, "lookalike", "a number is missing"],
    ["1.2.3-", strict, "lookalike", "SemVer does not allow"],
    ["1.2.3-rc..1", strict, "lookalike", "SemVer does not allow"],
    ["1.2.3-01", strict, "lookalike", "SemVer does not allow"],
    ["1.2.3rc1", strict, "lookalike", "behind the numbers"],
    ["9007199254740992.0.0", strict, "lookalike", "too large"],
    [`${"1".repeat(124)}.0.0`, strict, "lookalike", "too large"],
    ["2.1.3-latest", docker, "lookalike", "latest"],
    ["2.1.3-latest2", docker, "lookalike", "latest"],
    ["2.1.3-v2", docker, "lookalike", "version's name"],
    ["2.1.3-rc.1-", docker, "lookalike", "variant"],
    ["2026.13.1", calendar, "lookalike", "calendar version"],
    ["2026-11-03", calendar, "lookalike", "calendar version"],
    ["latest", strict, "name", ""],
    ["main", strict, "name", ""],
    ["4f2a9c1", strict, "name", ""],
    ["1234567", strict, "name", ""],
    ["sha-123", strict, "name", ""],
  ];
  test.each(others)("readTag takes %s for no full version", (tag, reading, kind, fault) => {
    const found = read(tag, reading);
    expect(found.kind).toBe(kind as never);
    if (found.kind === "lookalike") expect(found.fault).toContain(fault);
  });

  test("readTag orders versions as npm's semver does", () => {
    const number = fc.oneof(fc.nat(3), fc.nat(200), fc.maxSafeNat());
    const identifier = fc.oneof(
      fc.nat(120).map(String),
      fc.stringMatching(/^[0-9]*[A-Za-z-][A-Za-z0-9-]{0,2}$/),
      fc.constantFrom("rc", "rc1", "rc10", "alpha", "beta", "a-b"),
    );
    const list = fc.array(identifier, { minLength: 1, maxLength: 3 }).map((all) => all.join("."));
    const version = fc
      .tuple(number, number, number, fc.option(list, { nil: undefined }), fc.option(list, { nil: undefined }))
      .map(([major, minor, patch, prerelease, build]) => {
        const core = `${major}.${minor}.${patch}${prerelease === undefined ? "" : `-${prerelease}`}`;
        return build === undefined ? [core, core] : [`${core}_${build}`, `${core}+${build}`];
      });
    fc.assert(
      fc.property(version, version, ([tagA = "", textA = ""], [tagB = "", textB = ""]) => {
        const [a, b] = [versionOf(tagA, strict).key, versionOf(tagB, strict).key];
        expect(a < b ? -1 : a > b ? 1 : 0).toBe(compareBuild(textA, textB));
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ["2026.9.1", "2026.10.0"],
    ["2026.01.2", "2026.1.10"],
    ["26.04.1", "2026.04.2"],
    ["2026.11.1", "2026.11.1.1"],
    ["2026.11.0-rc.1", "2026.11.0"],
  ])("readTag orders %s before %s by the calendar", (lower, higher) => {
    expect(versionOf(lower, calendar).key < versionOf(higher, calendar).key).toBe(true);
  });

  test.each([
    ["2.1.3-alpine3.9", "2.1.3-alpine3.20"],
    ["2.1.3-alpine", "2.1.3-alpine3.9"],
    ["2.1.3-alpine3.20", "2.1.4-alpine3.9"],
    ["3.0.0-rc.1-alpine3.20", "3.0.0-alpine3.9"],
  ])("readTag orders %s before %s by the variant's version at last", (lower, higher) => {
    expect(versionOf(lower, docker).key < versionOf(higher, docker).key).toBe(true);
  });

  test("readTag answers for every tag, and calls nothing a version that semver does not", () => {
    const tag = fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,30}$/);
    const near = fc.stringMatching(/^v?[0-9]{1,3}(\.[0-9x]{1,3}){0,4}([-_][a-z0-9.-]{0,8}){0,2}$/);
    fc.assert(
      fc.property(fc.oneof(tag, near), (text) => {
        const found = read(text, strict);
        if (found.kind !== "version") return;
        const [core = "", ...build] = text.replace(/^v/, "").split("_");
        const asSemver = build.length > 0 ? `${core}+${build.join("_")}` : core;
        expect(compareBuild(asSemver, asSemver)).toBe(0); // throws when it is no version
      }),
      { numRuns: 2000 },
    );
  });
});

describe("floatsOf", () => {
  const all: FloatNames = { levels: ["minor", "major", "latest"], channels: ["rc"], short: false };
  const floats = (text: string, names: FloatNames, reading = docker) =>
    floatsOf(versionOf(text, reading), names).map(({ tag }): string => tag);

  test.each([
    ["2.1.3", "2.1 2 latest"],
    ["v2.1.3", "v2.1 v2 latest"],
    ["2.1.3-alpine3.20", "2.1-alpine3.20 2-alpine3.20 alpine3.20"],
    ["3.0.0-rc.1", "rc"],
    ["3.0.0-rc.1-slim", "rc-slim"],
    ["3.0.0-beta.1", ""],
    ["17.0.1_12", "17.0 17 latest"],
  ])("floatsOf names the floating tags above %s", (version, expected) => {
    expect(floats(version, all).join(" ")).toBe(expected);
  });

  test("floatsOf names short variants too when the rule says so", () => {
    expect(floats("2.1.3-alpine3.20", { ...all, short: true }).join(" ")).toBe(
      "2.1-alpine3.20 2-alpine3.20 alpine3.20 2.1-alpine 2-alpine alpine",
    );
    expect(floats("2.1.3-alpine", { ...all, short: true }).join(" ")).toBe("2.1-alpine 2-alpine alpine");
  });

  test("floatsOf keeps a calendar's zeros", () => {
    expect(floats("2026.01.15", all, calendar).join(" ")).toBe("2026.01 2026 latest");
  });
});
