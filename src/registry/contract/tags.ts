import { describe, expect } from "bun:test";
import type { Tag } from "../../oci/names.ts";
import type { Contract } from "./contract.ts";
import {
  repositoryA as a,
  allPages,
  repositoryB as b,
  bytesFor,
  emptyRepository,
  errorOf,
  pushBlob,
  pushImage,
  tags,
} from "./fixtures.ts";

/** Tags and their lists. */
export function describeTags({ test }: Contract): void {
  describe("tags", () => {
    const [tag] = tags("latest") as [Tag]; // safe: one name gives one tag

    test("putManifest moves several tags to the manifest at once", async (registry) => {
      const old = await pushImage(registry, a, { tags: tags("latest", "1") });
      const names = tags("latest", "2", "2.0", "2.0.0");
      const { descriptor, result } = await pushImage(registry, a, { layers: [], tags: names });
      expect([...result.tags].sort()).toEqual([...names].sort());
      for (const name of names) expect(await registry.resolveTag(a, name)).toEqual(descriptor);
      expect(await registry.resolveTag(a, tags("1")[0] ?? tag)).toEqual(old.descriptor);
      expect((await registry.getTag(a, tag)).descriptor).toEqual(descriptor);
    });

    test("getTag, resolveTag and deleteTag tell an unknown repository from an unknown tag", async (registry) => {
      await pushBlob(registry, a, bytesFor(1));
      await pushImage(registry, b, { tags: [tag] });
      for (const [repository, code] of [
        [a, "MANIFEST_UNKNOWN"],
        [emptyRepository, "NAME_UNKNOWN"],
      ] as const) {
        await errorOf(registry.getTag(repository, tag), code);
        await errorOf(registry.resolveTag(repository, tag), code);
        await errorOf(registry.deleteTag(repository, tag), code);
      }
    });

    test("deleteTag leaves the manifest and its other tags", async (registry) => {
      const { descriptor } = await pushImage(registry, a, { tags: tags("latest", "1") });
      await registry.deleteTag(a, tag);
      await errorOf(registry.getTag(a, tag), "MANIFEST_UNKNOWN");
      await errorOf(registry.deleteTag(a, tag), "MANIFEST_UNKNOWN");
      expect((await registry.listTags(a)).items).toEqual(tags("1"));
      expect(await registry.resolveManifest(a, descriptor.digest)).toEqual(descriptor);
    });

    test("listTags gives an empty page when all was deleted", async (registry) => {
      const { descriptor, blobs } = await pushImage(registry, a, { tags: tags("latest") });
      await registry.deleteManifest(a, descriptor.digest);
      for (const blob of blobs) await registry.deleteBlob(a, blob.digest);
      expect(await registry.listTags(a)).toEqual({ items: [] });
    });

    test("listTags rejects with NAME_UNKNOWN when there is no such repository", async (registry) => {
      await errorOf(registry.listTags(emptyRepository), "NAME_UNKNOWN");
      await errorOf(registry.listTags(emptyRepository, { limit: 0 }), "NAME_UNKNOWN");
    });

    test("listTags gives pages in the order of bytes, behind any text", async (registry) => {
      const sorted = tags(
        "0",
        "1",
        "1-a",
        "1.0",
        "10",
        "2",
        "A",
        "Z",
        "_",
        "_a",
        "a",
        "a-b",
        "a.b",
        "a_b",
        "aa",
        "z",
      );
      await pushImage(registry, a, { tags: [...sorted].reverse() });
      for (const limit of [1, 3, 5, 15, 16, 17, 1000]) {
        const listed = await allPages((page) => registry.listTags(a, page), limit);
        expect(listed).toEqual(sorted);
      }
      expect((await registry.listTags(a)).items).toEqual(sorted);
      expect((await registry.listTags(a, { after: "a", limit: 2 })).items).toEqual(tags("a-b", "a.b"));
      expect((await registry.listTags(a, { after: "1.", limit: 2 })).items).toEqual(tags("1.0", "10"));
      expect(await registry.listTags(a, { after: "z" })).toEqual({ items: [] });
      expect(await registry.listTags(a, { limit: 0 })).toEqual({ items: [] });
      expect(await registry.listTags(a, { limit: 16 })).toEqual({ items: sorted });
    });
  });
}
