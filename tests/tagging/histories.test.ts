import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import compareBuild from "semver/functions/compare-build.js";
import parse from "semver/functions/parse.js";
import type { Digest } from "../../src/oci/digests.ts";
import { isRegistryError } from "../../src/oci/errors.ts";
import type { RepositoryName, Tag } from "../../src/oci/names.ts";
import type { TagRequest } from "../../src/store/metadata/tags.ts";
import {
  contentOf,
  digestFor,
  freshRepository,
  openTaggingStore,
  type TaggingStore,
} from "../fixtures/tagging-store.ts";

setDefaultTimeout(120_000);

const rule = {
  repositories: ["gallery/*"],
  float: ["minor", "major", "latest"],
  prereleases: ["rc"],
  "manual-floats": "refuse",
};
const strictRule = { ...rule, repositories: ["strict/*"], immutable: ["versions"] };
const manualRule = { ...rule, repositories: ["manual/*"], "manual-floats": "allow" };

let tagging: TaggingStore;
beforeAll(async () => {
  tagging = await openTaggingStore(rule, strictRule, manualRule);
});
afterAll(() => tagging.close());

/** Something that is done to a repository; what may not be done is refused and changes nothing. */
type Step =
  | { readonly kind: "push"; readonly content: string; readonly tags: readonly string[] }
  | { readonly kind: "delete-manifest"; readonly content: string }
  | { readonly kind: "request"; readonly request: TagRequest };

const versions = ["1.0.0", "1.0.1", "1.1.0", "1.1.0_2", "2.0.0", "2.0.10", "2.0.9", "10.0.0"];
const prereleases = ["2.0.0-rc.1", "2.0.0-rc.2", "3.0.0-beta.1"];
const floats = ["1", "1.0", "2", "latest", "rc"];
const content = fc.constantFrom("a", "b", "c", "d");

function steps(pushed: readonly string[]): fc.Arbitrary<Step[]> {
  const tag = fc.constantFrom(...pushed) as fc.Arbitrary<Tag>; // safe: these are tags
  const any = fc.constantFrom(...pushed, ...floats) as fc.Arbitrary<Tag>; // safe: these, too
  const tags = fc.uniqueArray(tag, { minLength: 1, maxLength: 2 });
  const push = fc.record({ kind: fc.constant("push" as const), content, tags });
  const request = fc.oneof(
    fc.record({ kind: fc.constant("delete" as const), tags: tags }),
    fc.record({ kind: fc.constant("rollback" as const), tag: any }),
    fc.record({ kind: fc.constant("rollback-release" as const), tag: any }),
    fc.constant({ kind: "rollback-release" as const }),
    fc.record({ kind: fc.constant("undelete" as const), tag: any }),
    fc.record({ kind: fc.constant("undelete-manifest" as const), digest: content.map(digestFor) }),
    fc.record({ kind: fc.constant("move" as const), tag: any, to: content.map(digestFor) }),
    fc
      .tuple(tag, content)
      .map(([name, at]) => ({ kind: "retention" as const, tags: [{ tag: name, at: digestFor(at) }] })),
  );
  return fc.array(
    fc.oneof(
      { weight: 5, arbitrary: push },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete-manifest" as const), content }) },
      { weight: 4, arbitrary: request.map((each) => ({ kind: "request" as const, request: each })) },
    ),
    { maxLength: 25 },
  );
}

const refusals = ["TAG_PROTECTED", "MANIFEST_UNKNOWN", "NAME_UNKNOWN", "REQUEST_INVALID"] as const;

/** @returns whether it was done */
async function take(repository: RepositoryName, step: Step): Promise<boolean> {
  const { registry, metadata } = tagging.store;
  try {
    if (step.kind === "push") await tagging.push(repository, step.content, ...step.tags);
    else if (step.kind === "delete-manifest")
      await registry.deleteManifest(repository, digestFor(step.content));
    else await metadata.changeTags(repository, step.request, { actor: "tester" });
    return true;
  } catch (error) {
    if (refusals.some((code) => isRegistryError(error, code))) return false;
    throw error;
  }
}

/** What the floating tags have to be, from the full versions that are there. */
function recompute(tags: Record<string, Digest>): Record<string, Digest> {
  const highest = new Map<string, string>();
  for (const tag of Object.keys(tags)) {
    const version = parse(tag.replace("_", "+"));
    if (!version) continue;
    const { major, minor, prerelease } = version;
    const lines =
      prerelease.length === 0
        ? [`${major}.${minor}`, `${major}`, "latest"]
        : prerelease[0] === "rc"
          ? ["rc"]
          : [];
    for (const line of lines) {
      const best = highest.get(line);
      if (!best || compareBuild(version.raw, best) > 0) highest.set(line, version.raw);
    }
  }
  const digests = Array.from(highest, ([line, raw]) => [line, tags[raw.replace("+", "_")]] as const);
  return Object.fromEntries(digests.filter((entry): entry is [string, Digest] => entry[1] !== undefined));
}

const isFloat = (tag: string) => parse(tag.replace("_", "+")) === null;
const floatsIn = (tags: Record<string, Digest>) =>
  Object.fromEntries(Object.entries(tags).filter(([tag]) => isFloat(tag)));

async function tagsOf(repository: RepositoryName): Promise<Record<string, Digest>> {
  return (await tagging.store.metadata.hasRepository(repository)) ? tagging.tagsOf(repository) : {};
}

/** What the moves of all changes, one after the other, lead to. */
async function replay(repository: RepositoryName): Promise<Record<string, Digest>> {
  const tags: Record<string, Digest> = {};
  for (const { moves } of await tagging.changesOf(repository)) {
    for (const { tag, from, to } of moves) {
      expect(tags[tag]).toBe(from as Digest); // each begins where the one before ended
      if (to === undefined) delete tags[tag];
      else tags[tag] = to;
    }
  }
  return tags;
}

/** Each tag's periods follow each other, and the open one is the present. */
async function checkPeriods(repository: RepositoryName, tags: Record<string, Digest>): Promise<void> {
  for (const tag of [...versions, ...prereleases, ...floats] as Tag[]) {
    const periods = await tagging.store.metadata.listTagPeriods(repository, tag, { skip: 0, limit: 1000 });
    const [newest] = periods;
    expect(newest?.until === undefined ? newest?.digest : undefined).toBe(tags[tag]);
    for (const [at, later] of periods.entries()) {
      const earlier = periods[at + 1];
      if (earlier?.until) expect(earlier.until.getTime()).toBeLessThanOrEqual(later.from.getTime());
      expect(earlier === undefined || earlier.until !== undefined).toBe(true);
    }
  }
}

describe("tags under a rule", () => {
  test("floating tags equal what a plain recomputation says, after any pushes, deletes and rollbacks", async () => {
    await fc.assert(
      fc.asyncProperty(steps([...versions, ...prereleases]), async (all) => {
        const repository = freshRepository();
        for (const step of all) {
          const before = await tagsOf(repository);
          const done = await take(repository, step);
          const after = await tagsOf(repository);
          expect(floatsIn(after)).toEqual(recompute(after));
          if (!done) expect(after).toEqual(before);
        }
        const tags = await tagsOf(repository);
        expect(await replay(repository)).toEqual(tags);
        if (all.length > 0 && Object.keys(tags).length > 0) await checkPeriods(repository, tags);
      }),
      { numRuns: 150 },
    );
  });

  test("an immutable tag never points at anything else, and only goes with its release or by retention", async () => {
    await fc.assert(
      fc.asyncProperty(steps([...versions, ...prereleases]), async (all) => {
        const repository = freshRepository("strict");
        const first = new Map<string, Digest>();
        for (const step of all) {
          const before = await tagsOf(repository);
          await take(repository, step);
          const after = await tagsOf(repository);
          expect(floatsIn(after)).toEqual(recompute(after));
          for (const [tag, digest] of Object.entries(after)) {
            if (isFloat(tag)) continue;
            expect(digest).toBe(first.get(tag) ?? digest);
            first.set(tag, digest);
          }
          const gone = Object.keys(before).filter((tag) => !isFloat(tag) && !(tag in after));
          const kind = step.kind === "request" ? step.request.kind : step.kind;
          if (gone.length > 0) expect(["rollback-release", "retention"]).toContain(kind);
        }
      }),
      { numRuns: 100 },
    );
  });

  test("tags that people set by hand stay until a higher version comes, and history replays to the present", async () => {
    await fc.assert(
      fc.asyncProperty(steps([...versions, ...floats]), async (all) => {
        const repository = freshRepository("manual");
        for (const step of all) await take(repository, step);
        const tags = await tagsOf(repository);
        expect(await replay(repository)).toEqual(tags);
        const right = recompute(tags);
        const listing =
          Object.keys(tags).length === 0
            ? []
            : (await tagging.store.metadata.listTagDetails(repository, { limit: 1000 })).items;
        for (const { tag, cause, manifest } of listing) {
          if (isFloat(tag) && cause === "rule") expect(manifest.digest).toBe(right[tag] as Digest);
        }
      }),
      { numRuns: 100 },
    );
  });

  test("the last release can be taken back again after it was brought back", async () => {
    const repository = freshRepository();
    const change = (request: TagRequest) =>
      tagging.store.metadata.changeTags(repository, request, { actor: "tester" });
    await tagging.push(repository, "a", "1.0.0");
    await tagging.push(repository, "b", "1.1.0");
    await change({ kind: "rollback-release" });
    const before = await tagsOf(repository);
    await change({ kind: "undelete", tag: "1.1.0" as Tag }); // safe: it is a tag
    expect((await tagsOf(repository)).latest).toBe(digestFor("b"));
    await change({ kind: "rollback-release" });
    expect(await tagsOf(repository)).toEqual(before);
  });

  test("putManifest takes the same bytes again under an immutable tag, and refuses others", async () => {
    const repository = freshRepository("strict");
    await tagging.push(repository, "a", "1.0.0");
    const again = await tagging.push(repository, "a", "1.0.0");
    expect([...again.tags].sort() as string[]).toEqual(["1", "1.0", "1.0.0", "latest"]);
    const refused = tagging.push(repository, "b", "1.0.0");
    await expect(refused).rejects.toThrow("1.0.0 is immutable and stays at");
    await expect(refused).rejects.toMatchObject({ code: "TAG_PROTECTED" });
    expect(contentOf("a")).toEqual(
      (await tagging.store.registry.getTag(repository, "latest" as Tag)).bytes, // safe: it is a tag
    );
  });
});
