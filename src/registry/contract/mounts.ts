import { describe, expect } from "bun:test";
import type { Contract } from "./contract.ts";
import {
  repositoryA as a,
  repositoryB as b,
  bytesFor,
  describeBytes,
  emptyRepository,
  errorOf,
  pushBlob,
  readBlob,
} from "./fixtures.ts";

/** Blobs that are linked from where they are. */
export function describeMounts({ test }: Contract): void {
  describe("mounts", () => {
    const bytes = bytesFor(7);
    const { digest, size } = describeBytes(bytes);

    test("mountBlob links a blob when `from` has it, and makes the repository", async (registry) => {
      await pushBlob(registry, a, bytes);
      const mounted = await registry.mountBlob(b, digest, { from: a });
      expect(mounted).toMatchObject({ digest, size });
      expect(await readBlob(registry, b, { digest })).toEqual(bytes);
      expect((await registry.listTags(b)).items).toEqual([]);
    });

    test("mountBlob finds nothing when `from` lacks the blob, and makes no repository", async (registry) => {
      await pushBlob(registry, a, bytes);
      await pushBlob(registry, b, bytesFor(8));
      const to = emptyRepository;
      for (const from of [b, emptyRepository]) {
        expect(await registry.mountBlob(to, digest, { from })).toBeUndefined();
      }
      expect(await registry.mountBlob(to, describeBytes(bytesFor(9)).digest, { from: a })).toBeUndefined();
      await errorOf(registry.resolveBlob(to, digest), "BLOB_UNKNOWN");
      await errorOf(registry.listTags(to), "NAME_UNKNOWN");
    });

    test("mountBlob looks anywhere when there is no `from`", async (registry) => {
      expect(await registry.mountBlob(b, digest)).toBeUndefined();
      await pushBlob(registry, a, bytes);
      expect(await registry.mountBlob(b, digest)).toMatchObject({ digest, size });
      expect(await readBlob(registry, b, { digest })).toEqual(bytes);
    });

    test("mountBlob leaves out repositories when mayRead refuses them", async (registry) => {
      await pushBlob(registry, a, bytes);
      const mayRead = (repository: string) => repository !== a;
      expect(await registry.mountBlob(emptyRepository, digest, { mayRead })).toBeUndefined();
      expect(await registry.mountBlob(emptyRepository, digest, { mayRead, from: a })).toBeUndefined();
      await errorOf(registry.listTags(emptyRepository), "NAME_UNKNOWN");
      await pushBlob(registry, b, bytes);
      expect(await registry.mountBlob(emptyRepository, digest, { mayRead })).toMatchObject({ digest });
    });

    test("mountBlob does not bring a deleted blob back when unlessDeleted is set", async (registry) => {
      await pushBlob(registry, a, bytes);
      await pushBlob(registry, b, bytes);
      await registry.deleteBlob(b, digest);
      expect(await registry.mountBlob(b, digest, { unlessDeleted: true })).toBeUndefined();
      expect(await registry.mountBlob(b, digest, { unlessDeleted: true, from: a })).toBeUndefined();
      await errorOf(registry.resolveBlob(b, digest), "BLOB_UNKNOWN");
      expect(await registry.mountBlob(emptyRepository, digest, { unlessDeleted: true })).toMatchObject({
        digest,
      });
    });

    test("mountBlob brings a deleted blob back when unlessDeleted is not set", async (registry) => {
      await pushBlob(registry, a, bytes);
      await pushBlob(registry, b, bytes);
      await registry.deleteBlob(b, digest);
      expect(await registry.mountBlob(b, digest, { from: a })).toMatchObject({ digest });
      expect(await readBlob(registry, b, { digest })).toEqual(bytes);
      await registry.deleteBlob(a, digest);
      await pushBlob(registry, a, bytes);
      expect(await registry.mountBlob(a, digest, { unlessDeleted: true })).toMatchObject({ digest });
    });

    test("mountBlob keeps a blob when its first repository deletes it", async (registry) => {
      await pushBlob(registry, a, bytes);
      await registry.mountBlob(b, digest, { from: a });
      await registry.deleteBlob(a, digest);
      expect(await readBlob(registry, b, { digest })).toEqual(bytes);
      expect(await registry.mountBlob(a, digest, { from: a })).toBeUndefined();
    });
  });
}
