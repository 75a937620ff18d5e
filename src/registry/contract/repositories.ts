import { describe, expect } from "bun:test";
import { parseRepositoryName, type RepositoryName, type Tag } from "../../oci/names.ts";
import type { Contract } from "./contract.ts";
import {
  repositoryA as a,
  allPages,
  repositoryB as b,
  bytesFor,
  emptyRepository,
  pushBlob,
  pushImage,
  pushIndex,
  tags,
} from "./fixtures.ts";

const names = (...texts: string[]): RepositoryName[] => texts.map(parseRepositoryName);

/** The list of repositories, and what is suggested. */
export function describeRepositories({ test }: Contract): void {
  describe("repositories", () => {
    test("listRepositories shows a repository while it holds a manifest", async (registry) => {
      expect(await registry.listRepositories()).toEqual({ items: [] });
      await pushBlob(registry, b, bytesFor(1));
      const { descriptor } = await pushImage(registry, a);
      expect((await registry.listRepositories()).items).toEqual([a]);
      await registry.deleteManifest(a, descriptor.digest);
      expect((await registry.listRepositories()).items).toEqual([]);
    });

    test("listRepositories gives pages in the order of bytes, behind any text", async (registry) => {
      const sorted = names("a", "a--b", "a-b", "a.b", "a/b", "a/b/c", "a0", "a_b", "aa", "b");
      for (const name of [...sorted].reverse()) await pushIndex(registry, name, []);
      for (const limit of [1, 3, 9, 10, 11]) {
        expect(await allPages((page) => registry.listRepositories(page), limit)).toEqual(sorted);
      }
      expect((await registry.listRepositories({ after: "a/", limit: 2 })).items).toEqual(
        names("a/b", "a/b/c"),
      );
      expect(await registry.listRepositories({ after: "b" })).toEqual({ items: [] });
      expect(await registry.listRepositories({ limit: 0 })).toEqual({ items: [] });
    });

    describeSuggestions({ test });
  });
}

function describeSuggestions({ test }: Pick<Contract, "test">): void {
  test("suggestTags gives near tags first, then the newest, at most five", async (registry) => {
    const [missing, near] = tags("1.2.3", "1.2.4") as [Tag, Tag]; // safe: two names give two tags
    await pushImage(registry, a, { tags: [near] });
    const rest = tags("alpha", "bravo", "charlie", "delta", "echo", "foxtrot");
    for (const tag of rest) {
      const before = Date.now();
      while (Date.now() === before); // an implementation may tell older from newer by the millisecond
      await pushImage(registry, a, { layers: [], tags: [tag] });
    }
    const suggested: readonly string[] = await registry.suggestTags(a, missing);
    expect(suggested.length).toBeLessThanOrEqual(5);
    expect(suggested[0]).toBe(near);
    expect(suggested).toContain("foxtrot");
    expect(suggested).not.toContain("alpha");
    expect(new Set(suggested).size).toBe(suggested.length);
  });

  test("suggestTags gives the tags that are there when none is near", async (registry) => {
    const [latest] = tags("latest") as [Tag]; // safe: one name gives one tag
    await pushImage(registry, a, { tags: tags("1", "2") });
    expect(new Set(await registry.suggestTags(a, latest))).toEqual(new Set(tags("1", "2")));
    expect(await registry.suggestTags(emptyRepository, latest)).toEqual([]);
  });

  test("suggestRepositories gives near repositories that hold a manifest, at most five", async (registry) => {
    const [missing] = names("team/gallery") as [RepositoryName]; // safe: one text gives one name
    expect(await registry.suggestRepositories(missing)).toEqual([]);
    const near = names(
      "team/galery",
      "team/gallery2",
      "team/gallary",
      "team/gallerys",
      "team/galleri",
      "team/gallerx",
    );
    for (const name of [...near, ...names("something/else")]) await pushIndex(registry, name, []);
    await pushBlob(registry, names("team/gallerz")[0] ?? missing, bytesFor(1));
    const suggested = await registry.suggestRepositories(missing);
    expect(suggested.length).toBe(5);
    for (const name of suggested) expect(near).toContain(name);
  });
}
