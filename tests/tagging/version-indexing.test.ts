import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { RepositoryName, Tag } from "../../src/oci/names.ts";
import { createVersionIndexing } from "../../src/server/upkeep/version-indexing.ts";
import { writeStoredRules } from "../../src/tagging/policies.ts";
import { tagRule } from "../../src/tagging/rules.ts";
import {
  digestFor,
  freshRepository,
  openTaggingStore,
  type TaggingStore,
} from "../fixtures/tagging-store.ts";

setDefaultTimeout(60_000);

let tagging: TaggingStore;
beforeAll(async () => {
  tagging = await openTaggingStore();
});
afterAll(() => tagging?.close());

const latest = "latest" as Tag; // safe: it is a tag

async function setRules(...rules: readonly object[]): Promise<void> {
  const { metadata } = tagging.store;
  const { version } = await metadata.getTagRules();
  const text = writeStoredRules(rules.map((rule) => tagRule.parse(rule)));
  await metadata.putTagRules(text, version, "tester");
}

/** Gives a repository 1.0.0 to 1.0.1999. */
async function fill(repository: ReturnType<typeof freshRepository>): Promise<void> {
  for (let start = 0; start < 2000; start += 100) {
    const tags = Array.from({ length: 100 }, (_, at) => `1.0.${start + at}`);
    await tagging.push(repository, `${start}`, ...tags);
  }
}

test("a new rule is followed by a push at any time while its repository is indexed a little at a time", async () => {
  const { metadata } = tagging.store;
  const repository = freshRepository();
  await fill(repository);
  await setRules({ repositories: ["gallery/*"], float: ["latest"] });
  expect(await metadata.indexVersions(repository)).toBe(false); // more than one page
  await tagging.push(repository, "old", "0.9.0");
  expect((await tagging.tagsOf(repository))[latest]).toBe(digestFor("1900"));
  expect(await metadata.indexVersions(repository)).toBe(true);

  await setRules({ repositories: ["gallery/*"], float: ["major", "latest"] });
  expect(await metadata.indexVersions(repository)).toBe(false);
  await metadata.changeTags(repository, { kind: "delete", tags: ["1.0.1999" as Tag] }, { actor: "tester" });
  const { major, own } = {
    major: (await tagging.tagsOf(repository))["1"],
    own: await metadata.highestOf(repository, latest),
  };
  expect([major, own as string | undefined]).toEqual([digestFor("1900"), "1.0.1998"]);
});

test("createVersionIndexing indexes every repository, so that highestOf need not", async () => {
  const { metadata } = tagging.store;
  const repositories = [freshRepository("many"), freshRepository("many"), freshRepository("many")];
  for (const repository of repositories) await fill(repository);
  await setRules({ repositories: ["many/*"], float: ["latest"] });
  const failures: unknown[] = [];
  const whole = new Set<string>();
  const watched = {
    listRepositories: metadata.listRepositories,
    async indexVersions(repository: RepositoryName) {
      const isWhole = await metadata.indexVersions(repository);
      if (isWhole) whole.add(repository);
      return isWhole;
    },
  };
  const indexing = createVersionIndexing(watched, (error) => failures.push(error));
  indexing.restart();
  indexing.restart(); // as when rules change twice
  while (!repositories.every((repository) => whole.has(repository))) await Bun.sleep(1);
  await indexing.stop();
  for (const repository of repositories) {
    expect((await metadata.highestOf(repository, latest)) as string | undefined).toBe("1.0.1999");
  }
  expect(failures).toEqual([]);
});
