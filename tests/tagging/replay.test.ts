import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import type { Digest } from "../../src/oci/digests.ts";
import { parseRepositoryName, parseTag } from "../../src/oci/names.ts";
import { digestOf } from "../../src/registry/hash.ts";
import type { PastChange, TagPeriod } from "../../src/store/metadata/tags.ts";
import { contentOf, openTaggingStore, type TaggingStore } from "../fixtures/tagging-store.ts";

setDefaultTimeout(30_000);

const app = parseRepositoryName("team/app");
const names = ["latest", "1.0.0", "1.0.1"].map(parseTag);
const contents = ["a", "b", "c"];

const operation = fc.oneof(
  fc.record({
    kind: fc.constant("push" as const),
    name: fc.constantFrom(...contents),
    tags: fc.uniqueArray(fc.constantFrom(...names), { maxLength: 2 }),
  }),
  fc.record({ kind: fc.constantFrom("delete", "undelete", "rollback"), tag: fc.constantFrom(...names) }),
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** What cannot be done at a moment is left out. */
async function play({ store, push }: TaggingStore, step: Operation): Promise<void> {
  if (step.kind === "push") return void (await push(app, step.name, ...step.tags));
  const request =
    step.kind === "delete"
      ? { kind: step.kind, tags: [step.tag] }
      : { kind: step.kind as "undelete" | "rollback", tag: step.tag };
  await store.metadata.changeTags(app, request, { actor: "somebody" }).catch(() => {});
}

/** What is known of each tag's past, as far as it does not depend on the store. */
async function pastOf({ store }: TaggingStore) {
  const pasts = names.map(async (tag) => {
    const periods = await store.metadata.listTagPeriods(app, tag, { skip: 0, limit: 1000 });
    return periods.map(({ digest, from, until, cause, change }: TagPeriod) => ({
      ...{ digest, from, until, cause },
      actor: change?.actor,
    }));
  });
  return Promise.all(pasts);
}

async function historyOf(from: TaggingStore): Promise<readonly PastChange[]> {
  const changes = await from.changesOf(app);
  return changes.map(({ id: _id, repository: _repository, ...past }) => past);
}

/** @param rules of the other store */
async function withStores(
  act: (one: TaggingStore, other: TaggingStore) => Promise<void>,
  ...rules: readonly object[]
): Promise<void> {
  const stores = [await openTaggingStore(), await openTaggingStore(...rules)];
  try {
    await act(...(stores as [TaggingStore, TaggingStore])); // two were opened
  } finally {
    for (const store of stores) await store.close();
  }
}

describe("replayChanges", () => {
  test("replayChanges gives tags the same past in another store, in parts and twice, whatever happened", async () => {
    const property = fc.asyncProperty(
      fc.array(operation, { minLength: 1, maxLength: 12 }),
      fc.nat(12),
      (steps, cut) =>
        withStores(async (one, other) => {
          await one.push(app, "first", "kept");
          for (const step of steps) await play(one, step);
          for (const name of ["first", ...contents]) await other.push(app, name);
          const history = await historyOf(one);
          await other.store.metadata.replayChanges(app, history.slice(0, cut));
          for (let times = 0; times < 2; times++) {
            const { conflicts } = await other.store.metadata.replayChanges(app, history);
            expect(conflicts).toEqual([]);
          }
          expect(await other.tagsOf(app)).toEqual(await one.tagsOf(app));
          expect(await pastOf(other)).toEqual(await pastOf(one));
          for (const tag of [...names, ...names]) {
            for (const each of [one, other]) await play(each, { kind: "rollback", tag });
            expect(await other.tagsOf(app)).toEqual(await one.tagsOf(app));
          }
        }),
    );
    await fc.assert(property, { numRuns: 15 });
  });

  test("replayChanges keeps what a tag pointed at that is not there in its past, and never points it there", () =>
    withStores(async (one, other) => {
      await one.push(app, "gone", "latest");
      await one.push(app, "a", "latest");
      await one.push(app, "gone", "1.0.0");
      await other.push(app, "a");
      const { conflicts } = await other.store.metadata.replayChanges(app, await historyOf(one));
      expect(conflicts).toEqual([]);
      expect(await other.tagsOf(app)).toEqual({ latest: digestOf(contentOf("a")) });
      const [latest] = await pastOf(other);
      expect(latest?.map(({ digest }): Digest => digest)).toEqual([
        digestOf(contentOf("a")),
        digestOf(contentOf("gone")),
      ]);
      expect(latest?.[1]?.until).toEqual(latest?.[0]?.from);
    }));

  test("replayChanges leaves a tag alone that was moved here", () =>
    withStores(async (one, other) => {
      await one.push(app, "a", "latest");
      await one.push(app, "b", "latest");
      for (const name of ["a", "b"]) await other.push(app, name);
      await other.push(app, "mine", "latest");
      const { conflicts } = await other.store.metadata.replayChanges(app, await historyOf(one));
      expect(conflicts).toEqual([{ tag: parseTag("latest"), reason: expect.stringContaining("here") }]);
      expect(await other.tagsOf(app)).toEqual({ latest: digestOf(contentOf("mine")) });
    }));

  test("replayChanges tells a rule of the versions that came", () =>
    withStores(
      async (one, other) => {
        await one.push(app, "a", "1.0.1");
        await other.push(app, "a");
        await other.store.metadata.replayChanges(app, await historyOf(one));
        expect(await other.store.metadata.highestOf(app, parseTag("1.0"))).toBe(parseTag("1.0.1"));
      },
      { repositories: ["**"], float: ["minor"] },
    ));

  test("replayChanges refuses a repository that is not there", () =>
    withStores(async (one, other) => {
      await one.push(app, "a", "latest");
      const history = await historyOf(one);
      await expect(other.store.metadata.replayChanges(app, history)).rejects.toThrow("push its manifests");
    }));
});
