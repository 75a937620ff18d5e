import { describe, expect } from "bun:test";
import { streamOf } from "../streams.ts";
import type { Contract } from "./contract.ts";
import {
  repositoryA as a,
  repositoryB as b,
  bytesFor,
  describeBytes,
  emptyRepository,
  errorOf,
  failureOf,
  heldBody,
  pushBlob,
  pushImage,
  readBlob,
} from "./fixtures.ts";

/** Blobs that are pushed whole, read and deleted. */
export function describeBlobs({ test }: Contract): void {
  describe("blobs", () => {
    const bytes = bytesFor(7, 300_000);
    const { digest, size } = describeBytes(bytes);

    test("putBlob stores a blob when its size is announced and when not", async (registry) => {
      for (const [repository, expected] of [
        [a, { digest, size }],
        [b, { digest }],
      ] as const) {
        const descriptor = await registry.putBlob(repository, expected, streamOf(bytes, 7919));
        expect(descriptor).toEqual({ mediaType: "application/octet-stream", digest, size });
        expect(await registry.resolveBlob(repository, digest)).toEqual(descriptor);
        expect((await registry.getBlob(repository, digest)).descriptor).toEqual(descriptor);
        expect(await readBlob(registry, repository, descriptor)).toEqual(bytes);
      }
    });

    test("putBlob stores a blob again when it is there", async (registry) => {
      await pushBlob(registry, a, bytes);
      await pushBlob(registry, a, bytes);
      expect(await readBlob(registry, a, { digest })).toEqual(bytes);
    });

    test("putBlob stores an empty blob", async (registry) => {
      const empty = await pushBlob(registry, a, new Uint8Array(0));
      expect(empty.size).toBe(0);
      expect(await readBlob(registry, a, empty)).toEqual(new Uint8Array(0));
    });

    test("putBlob stores a blob under sha512 when that is its digest's algorithm", async (registry) => {
      const stored = await pushBlob(registry, a, bytes, "sha512");
      expect(stored.digest).toStartWith("sha512:");
      expect(await readBlob(registry, a, stored)).toEqual(bytes);
      await errorOf(registry.resolveBlob(a, digest), "BLOB_UNKNOWN");
    });

    test("getBlob gives the bytes of a range, both ends inclusive", async (registry) => {
      const stored = await pushBlob(registry, a, bytes);
      for (const [first, last] of [
        [0, 0],
        [0, size - 1],
        [size - 1, size - 1],
        [1, 262_144],
        [65_535, 65_537],
      ] as const) {
        const part = await readBlob(registry, a, stored, { first, last });
        expect(part).toEqual(bytes.subarray(first, last + 1));
      }
      await errorOf(readBlob(registry, a, stored, { first: 0, last: size }), "BLOB_RANGE_INVALID");
      await errorOf(readBlob(registry, a, stored, { first: 2, last: 1 }), "BLOB_RANGE_INVALID");
    });

    test("getBlob and resolveBlob reject with BLOB_UNKNOWN when the repository lacks the blob", async (registry) => {
      await pushBlob(registry, b, bytes);
      await pushBlob(registry, a, bytesFor(8));
      for (const repository of [a, emptyRepository]) {
        await errorOf(registry.getBlob(repository, digest), "BLOB_UNKNOWN");
        await errorOf(registry.resolveBlob(repository, digest), "BLOB_UNKNOWN");
      }
    });

    test("putBlob keeps nothing when the bytes have another digest or size", async (registry) => {
      const other = streamOf(bytesFor(9, size));
      await errorOf(registry.putBlob(a, { digest, size }, other), "DIGEST_INVALID");
      await errorOf(registry.putBlob(a, { digest }, streamOf(bytesFor(9, 10))), "DIGEST_INVALID");
      await errorOf(registry.putBlob(a, { digest, size: size - 1 }, streamOf(bytes)), "SIZE_INVALID");
      await errorOf(registry.putBlob(a, { digest, size: size + 1 }, streamOf(bytes)), "SIZE_INVALID");
      await errorOf(registry.resolveBlob(a, digest), "BLOB_UNKNOWN");
      await errorOf(registry.listTags(a), "NAME_UNKNOWN");
      await pushBlob(registry, a, bytes);
      expect(await readBlob(registry, a, { digest })).toEqual(bytes);
    });

    test("putBlob rejects with the signal's reason when it aborts", async (registry) => {
      const stop = new AbortController();
      const { body, held } = heldBody(bytes.subarray(0, 1000));
      const put = registry.putBlob(a, { digest, size }, body, { signal: stop.signal });
      const reason = new Error("enough");
      void held.then(() => stop.abort(reason));
      expect(await failureOf(put)).toBe(reason);
      await errorOf(registry.resolveBlob(a, digest), "BLOB_UNKNOWN");
    });
  });
  describeDeletion({ test });
}

function describeDeletion({ test }: Pick<Contract, "test">): void {
  describe("deleting blobs", () => {
    const bytes = bytesFor(7);
    const { digest } = describeBytes(bytes);

    test("deleteBlob unlinks a blob from its repository alone", async (registry) => {
      await pushBlob(registry, a, bytes);
      await pushBlob(registry, b, bytes);
      await registry.deleteBlob(a, digest);
      await errorOf(registry.resolveBlob(a, digest), "BLOB_UNKNOWN");
      await errorOf(registry.deleteBlob(a, digest), "BLOB_UNKNOWN");
      expect(await readBlob(registry, b, { digest })).toEqual(bytes);
    });

    test("deleteBlob rejects with BLOB_UNKNOWN when there is no such blob or repository", async (registry) => {
      await pushBlob(registry, a, bytesFor(8));
      await errorOf(registry.deleteBlob(a, digest), "BLOB_UNKNOWN");
      await errorOf(registry.deleteBlob(emptyRepository, digest), "BLOB_UNKNOWN");
    });

    test("deleteBlob names the manifest when one of the repository needs the blob", async (registry) => {
      const image = await pushImage(registry, a);
      for (const blob of image.blobs) {
        const error = await errorOf(registry.deleteBlob(a, blob.digest), "UNSUPPORTED");
        expect(error.message).toContain(image.descriptor.digest);
        expect((await registry.resolveBlob(a, blob.digest)).size).toBe(blob.size);
      }
      await registry.deleteManifest(a, image.descriptor.digest);
      for (const blob of image.blobs) await registry.deleteBlob(a, blob.digest);
    });

    test("deleteBlob deletes a blob when only a manifest of another repository needs it", async (registry) => {
      const image = await pushImage(registry, a);
      for (const blob of image.blobs) await registry.mountBlob(b, blob.digest, { from: a });
      for (const blob of image.blobs) await registry.deleteBlob(b, blob.digest);
    });

    test("deleteBlob is undone when the blob is pushed again", async (registry) => {
      await pushBlob(registry, a, bytes);
      await registry.deleteBlob(a, digest);
      await pushBlob(registry, a, bytes);
      expect(await readBlob(registry, a, { digest })).toEqual(bytes);
    });
  });
}
