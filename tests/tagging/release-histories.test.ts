import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { compare, parse, type SemVer } from "semver";
import type { RepositoryName, Tag } from "../../src/oci/names.ts";
import {
  digestFor,
  freshRepository,
  openTaggingStore,
  type TaggingStore,
} from "../fixtures/tagging-store.ts";

setDefaultTimeout(60_000);

/**
 * Releases of real projects in the order of their git tags' dates, each with its date, and what npm says is their
 * `latest`. The last ones of each are younger than the tags at hand, so they are in the order of their versions.
 */
interface ReleaseHistory {
  readonly latest: string;
  readonly releases: readonly string[];
}

let tagging: TaggingStore;
beforeAll(async () => {
  tagging = await openTaggingStore({
    repositories: ["gallery/*"],
    float: ["minor", "major", "latest"],
    prereleases: ["alpha", "beta", "rc"],
    immutable: ["versions"],
    "manual-floats": "refuse",
  });
});
afterAll(() => tagging?.close());

const folder = join(import.meta.dir, "..", "fixtures", "release-histories");

async function readHistory(project: string): Promise<{ latest: string; tags: readonly Tag[] }> {
  const text = await readFile(join(folder, `${project}.json`), "utf8");
  const { latest, releases } = JSON.parse(text) as ReleaseHistory;
  return { latest, tags: releases.map((release) => release.split(" ")[0] as Tag) }; // safe: git tags that are tags
}

async function digestAt(repository: RepositoryName, tag: string): Promise<string | undefined> {
  return (await tagging.store.registry.resolveTag(repository, tag as Tag)).digest; // safe: tests name tags
}

/** A strict version: what `parse` takes that a rule does not, such as a capital V, these projects do not have. */
const versionIn = (tag: string): SemVer | undefined => parse(tag) ?? undefined;

describe.each(["express", "eslint", "mocha"])("the releases of %s as they came", (project) => {
  test("every floating tag is at each time where a careful person would have put it", async () => {
    const { latest, tags } = await readHistory(project);
    const repository = freshRepository();
    const highest = new Map<string, Tag>();
    let patchesToOlderLines = 0;
    for (const tag of tags) {
      const { warnings } = await tagging.push(repository, tag, tag);
      const version = versionIn(tag);
      if (!version) continue;
      const isStable = version.prerelease.length === 0;
      const v = tag.startsWith("v") ? "v" : "";
      const word = /^[a-z]*/.exec(String(version.prerelease[0]))?.[0] ?? "";
      const channels = ["alpha", "beta", "rc"].includes(word) ? [word] : [];
      const lines = isStable
        ? [`${v}${version.major}.${version.minor}`, `${v}${version.major}`, "latest"]
        : channels;
      for (const line of lines) {
        const best = highest.get(line);
        if (!best || compare(version, best) > 0) highest.set(line, tag);
        else if (line === "latest") {
          patchesToOlderLines++;
          expect(warnings.join()).toContain(`stays the highest of latest`);
        }
      }
      for (const line of lines) {
        expect(await digestAt(repository, line)).toBe(digestFor(highest.get(line) ?? ""));
      }
    }
    // A build job that pushes latest each time would have stolen it so often.
    expect(patchesToOlderLines).toBeGreaterThan(0);
    // What the project itself calls latest today.
    const own = tags.find((tag) => tag.replace(/^v/, "") === latest) ?? "";
    expect(await digestAt(repository, "latest")).toBe(digestFor(own));
  });
});

describe("the releases of express", () => {
  test("tags that only look like versions move nothing", async () => {
    const { tags } = await readHistory("express");
    const repository = freshRepository();
    const odd = tags.filter((tag) => /^\d+\.\d+\.\d+[a-z]/.test(tag));
    expect(odd.length).toBeGreaterThan(20);
    for (const tag of odd) {
      const { warnings, tags: moved } = await tagging.push(repository, tag, tag);
      expect(moved).toEqual([tag]);
      expect(warnings.join()).toContain(`${tag} looks like a version and is none`);
    }
  });

  /**
   * Where the project went another way: it published 5.0.0 in September 2024 under npm's tag `next` and made it
   * `latest` half a year later, with 5.1.0. A rule that moves `latest` has no such waiting time; who wants one leaves
   * `latest` out of `float` and moves it by hand.
   */
  test("latest follows the first stable release of a new line at once, and a hand moves it where float leaves it out", async () => {
    const other = await openTaggingStore({ repositories: ["gallery/*"], float: ["minor", "major"] });
    const { tags } = await readHistory("express");
    const repository = freshRepository();
    const upTo = tags.slice(0, tags.indexOf("v5.0.0" as Tag) + 1); // safe: it is a tag
    for (const tag of upTo) await tagging.push(repository, tag, tag);
    expect(await digestAt(repository, "latest")).toBe(digestFor("v5.0.0"));
    try {
      await other.push(repository, "v4.21.0", "v4.21.0", "latest");
      await other.push(repository, "v5.0.0", "v5.0.0");
      const { latest, v5 } = await other.tagsOf(repository);
      expect([latest, v5]).toEqual([digestFor("v4.21.0"), digestFor("v5.0.0")]);
    } finally {
      await other.close();
    }
  });
});
