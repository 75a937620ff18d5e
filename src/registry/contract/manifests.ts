import { describe, expect } from "bun:test";
import { mediaTypes } from "../../oci/media-types.ts";
import type { Contract } from "./contract.ts";
import {
  repositoryA as a,
  repositoryB as b,
  bytesFor,
  describeBytes,
  emptyRepository,
  errorOf,
  imageBytes,
  indexBytes,
  jsonBytes,
  pushBlob,
  pushBytes,
  pushImage,
  pushIndex,
  tags,
  textOf,
} from "./fixtures.ts";

/** Manifests: what is stored, what is refused, what is deleted. */
export function describeManifests(contract: Contract): void {
  describe("manifests", () => {
    describeStored(contract);
    describeNeeds(contract);
    describeIndexNeeds(contract);
    describeDeletion(contract);
  });
}

const absent = describeBytes(bytesFor(99), mediaTypes.ociLayerTar);

function describeStored({ test }: Contract): void {
  test("putManifest stores exactly the bytes pushed when they are written unusually", async (registry) => {
    const { blobs } = await pushImage(registry, a);
    const [config, layer] = blobs;
    const text = `\n{ "layers":[${JSON.stringify(layer)}],  "unknown\\u0041": 1.50, "schemaVersion":2,
      "mediaType":"${mediaTypes.ociManifest}","config":${JSON.stringify(config)} }\n`;
    const bytes = new TextEncoder().encode(text);
    const { descriptor } = await pushBytes(registry, a, bytes, tags("odd"));
    expect(descriptor).toEqual(describeBytes(bytes, mediaTypes.ociManifest));
    for (const stored of [
      await registry.getManifest(a, descriptor.digest),
      await registry.getTag(a, tags("odd")[0] ?? expect.unreachable()),
    ]) {
      expect(stored.descriptor).toEqual(descriptor);
      expect(textOf(stored.bytes)).toBe(text);
    }
    expect(await registry.resolveManifest(a, descriptor.digest)).toEqual(descriptor);
  });

  test("putManifest takes the type it is sent with when the manifest names none", async (registry) => {
    const { blobs } = await pushImage(registry, a);
    const bytes = jsonBytes({ schemaVersion: 2, config: blobs[0], layers: [] });
    const mediaType = mediaTypes.dockerManifest;
    const { descriptor } = await registry.putManifest(a, { bytes, mediaType, tags: [] });
    expect(await registry.resolveManifest(a, descriptor.digest)).toMatchObject({ mediaType });
  });

  test("putManifest stores a manifest under sha512 when it is pushed by that, also for its tags", async (registry) => {
    const names = tags("big");
    const { descriptor, bytes } = await pushImage(registry, a, { algorithm: "sha512", tags: names });
    expect(descriptor).toEqual(describeBytes(bytes, mediaTypes.ociManifest, "sha512"));
    expect(await registry.resolveManifest(a, descriptor.digest)).toEqual(descriptor);
    for (const tag of names) expect((await registry.getTag(a, tag)).descriptor).toEqual(descriptor);
    await errorOf(registry.getManifest(a, describeBytes(bytes).digest), "MANIFEST_UNKNOWN");
  });

  test("putManifest does the same again when the manifest is there", async (registry) => {
    const first = await pushImage(registry, a, { tags: tags("one") });
    const second = await pushImage(registry, a, { tags: tags("two") });
    expect(second.descriptor).toEqual(first.descriptor);
    expect((await registry.listTags(a)).items).toEqual(tags("one", "two"));
  });

  test("putManifest refuses bytes when their digest is another", async (registry) => {
    const { bytes, descriptor } = await pushImage(registry, a);
    const changed = new Uint8Array([...bytes, 10]);
    const input = { bytes: changed, mediaType: mediaTypes.ociManifest, tags: tags("new") };
    await errorOf(registry.putManifest(a, { ...input, digest: descriptor.digest }), "DIGEST_INVALID");
    expect((await registry.listTags(a)).items).toEqual([]);
  });

  test("putManifest refuses what is not a manifest, and makes no repository", async (registry) => {
    for (const text of [
      "",
      "{",
      "[]",
      "null",
      '{"schemaVersion":2,"schemaVersion":2}',
      '{"schemaVersion":1}',
    ]) {
      const put = pushBytes(registry, emptyRepository, new TextEncoder().encode(text), tags("new"));
      await errorOf(put, "MANIFEST_INVALID");
    }
    await errorOf(registry.listTags(emptyRepository), "NAME_UNKNOWN");
  });

  test("getManifest and resolveManifest tell an unknown repository from an unknown manifest", async (registry) => {
    await pushBlob(registry, a, bytesFor(1));
    for (const [repository, code] of [
      [a, "MANIFEST_UNKNOWN"],
      [emptyRepository, "NAME_UNKNOWN"],
    ] as const) {
      await errorOf(registry.getManifest(repository, absent.digest), code);
      await errorOf(registry.resolveManifest(repository, absent.digest), code);
    }
  });
}

function describeNeeds({ test }: Contract): void {
  test("putManifest lists all that is missing when the repository lacks blobs", async (registry) => {
    const layers = [11, 12, 13, 14, 15].map((seed) => describeBytes(bytesFor(seed), mediaTypes.ociLayerTar));
    const config = describeBytes(bytesFor(10), mediaTypes.ociConfig);
    await pushBlob(registry, b, bytesFor(11)); // in another repository: does not count
    const put = pushBytes(registry, a, imageBytes(config, layers), tags("new"));
    const error = await errorOf(put, "MANIFEST_BLOB_UNKNOWN");
    expect(error.detail).toEqual([config, ...layers].map(({ digest }) => ({ digest })));
    expect(error.message).toContain(config.digest);
    await errorOf(registry.listTags(a), "NAME_UNKNOWN");
  });

  test("putManifest names only the missing ones when some are there", async (registry) => {
    const config = { ...(await pushBlob(registry, a, bytesFor(10))), mediaType: mediaTypes.ociConfig };
    const put = pushBytes(registry, a, imageBytes(config, [absent, config]), tags("new"));
    expect((await errorOf(put, "MANIFEST_BLOB_UNKNOWN")).detail).toEqual([{ digest: absent.digest }]);
    expect((await registry.listTags(a)).items).toEqual([]);
  });

  test("putManifest needs no foreign layers and no subject", async (registry) => {
    const config = { ...(await pushBlob(registry, a, bytesFor(10))), mediaType: mediaTypes.ociConfig };
    const foreign = [
      { ...absent, mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" },
      { ...absent, mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip" },
    ];
    const subject = { ...absent, mediaType: mediaTypes.ociManifest };
    const put = await pushBytes(registry, a, imageBytes(config, foreign, { subject }));
    expect(put.subject).toBe(subject.digest);
  });

  test("putManifest quotes both sizes when a descriptor has another than the blob", async (registry) => {
    const config = { ...(await pushBlob(registry, a, bytesFor(10, 1234))), mediaType: mediaTypes.ociConfig };
    const wrong = { ...config, size: 4321 };
    for (const bytes of [imageBytes(wrong, []), imageBytes(config, [wrong])]) {
      const error = await errorOf(pushBytes(registry, a, bytes), "MANIFEST_INVALID");
      expect(error.message).toContain("1234");
      expect(error.message).toContain("4321");
    }
  });

  test("putManifest needs blobs that are blobs, not manifests with the same digest", async (registry) => {
    const image = await pushImage(registry, a);
    const layer = { ...image.descriptor, mediaType: mediaTypes.ociLayerTar };
    const config = image.blobs[0] ?? expect.unreachable();
    await errorOf(pushBytes(registry, a, imageBytes(config, [layer])), "MANIFEST_BLOB_UNKNOWN");
  });
}

function describeIndexNeeds({ test }: Contract): void {
  test("putManifest stores an index when its children are there, nested ones too", async (registry) => {
    const one = await pushImage(registry, a);
    const two = await pushImage(registry, a, { layers: [bytesFor(3)], algorithm: "sha512" });
    const inner = await pushIndex(registry, a, [one.descriptor, two.descriptor]);
    const outer = await pushIndex(registry, a, [inner.descriptor, one.descriptor], { tags: tags("all") });
    expect((await registry.getManifest(a, outer.descriptor.digest)).bytes).toEqual(outer.bytes);
    const empty = await pushIndex(registry, a, []);
    expect(empty.descriptor.mediaType).toBe(mediaTypes.ociIndex);
  });

  test("putManifest refuses an index when a child is no manifest of the repository", async (registry) => {
    const image = await pushImage(registry, a);
    const asBlob = { ...(await pushBlob(registry, b, image.bytes)), mediaType: mediaTypes.ociManifest };
    const error = await errorOf(pushIndex(registry, b, [asBlob]), "MANIFEST_BLOB_UNKNOWN");
    expect(error.detail).toEqual([{ digest: image.descriptor.digest }]);
  });

  test("putManifest refuses an index when it claims to list itself", async (registry) => {
    // Its digest would have to stand in the bytes that it is the digest of. Whatever stands there is not stored yet.
    const self = describeBytes(indexBytes([]), mediaTypes.ociIndex);
    await pushBlob(registry, a, bytesFor(1));
    const error = await errorOf(pushIndex(registry, a, [self]), "MANIFEST_BLOB_UNKNOWN");
    expect(error.detail).toEqual([{ digest: self.digest }]);
  });

  test("putManifest quotes both sizes when a child's is another", async (registry) => {
    const { descriptor } = await pushImage(registry, a);
    const wrong = { ...descriptor, size: descriptor.size + 1 };
    const error = await errorOf(pushIndex(registry, a, [wrong]), "MANIFEST_INVALID");
    expect(error.message).toContain(`${descriptor.size}`);
    expect(error.message).toContain(`${wrong.size}`);
  });

  test("putManifest takes blobs as children of an index when their type is not a manifest's", async (registry) => {
    const layer = { ...(await pushBlob(registry, a, bytesFor(5))), mediaType: mediaTypes.ociLayerGzip };
    const odd = { ...(await pushImage(registry, a)).descriptor, mediaType: "application/vnd.example" };
    const index = await pushIndex(registry, a, [layer, odd]);
    expect((await registry.resolveManifest(a, index.descriptor.digest)).size).toBe(index.bytes.byteLength);
    const blob = await errorOf(registry.deleteBlob(a, layer.digest), "UNSUPPORTED");
    expect(blob.message).toContain(index.descriptor.digest);
    const manifest = await errorOf(registry.deleteManifest(a, odd.digest), "UNSUPPORTED");
    expect(manifest.message).toContain(index.descriptor.digest);
    const error = await errorOf(pushIndex(registry, a, [layer, absent]), "MANIFEST_BLOB_UNKNOWN");
    expect(error.detail).toEqual([{ digest: absent.digest }]);
  });
}

function describeDeletion({ test }: Contract): void {
  test("deleteManifest drops its tags and leaves others", async (registry) => {
    const gone = await pushImage(registry, a, { tags: tags("a", "b") });
    const kept = await pushImage(registry, a, { layers: [], tags: tags("c") });
    await registry.deleteManifest(a, gone.descriptor.digest);
    expect((await registry.listTags(a)).items).toEqual(tags("c"));
    for (const tag of tags("a", "b")) await errorOf(registry.getTag(a, tag), "MANIFEST_UNKNOWN");
    await errorOf(registry.getManifest(a, gone.descriptor.digest), "MANIFEST_UNKNOWN");
    await errorOf(registry.deleteManifest(a, gone.descriptor.digest), "MANIFEST_UNKNOWN");
    await errorOf(registry.deleteManifest(emptyRepository, gone.descriptor.digest), "NAME_UNKNOWN");
    expect((await registry.getManifest(a, kept.descriptor.digest)).bytes).toEqual(kept.bytes);
  });

  test("deleteManifest leaves the manifest's blobs", async (registry) => {
    const { descriptor, blobs } = await pushImage(registry, a);
    await registry.deleteManifest(a, descriptor.digest);
    for (const blob of blobs) expect((await registry.resolveBlob(a, blob.digest)).size).toBe(blob.size);
  });

  test("deleteManifest names the index when one of the repository lists the manifest", async (registry) => {
    const image = await pushImage(registry, a);
    const index = await pushIndex(registry, a, [image.descriptor]);
    const error = await errorOf(registry.deleteManifest(a, image.descriptor.digest), "UNSUPPORTED");
    expect(error.message).toContain(index.descriptor.digest);
    await pushImage(registry, b);
    await registry.deleteManifest(b, image.descriptor.digest);
    await registry.deleteManifest(a, index.descriptor.digest);
    await registry.deleteManifest(a, image.descriptor.digest);
  });

  test("deleteManifest is undone when the manifest is pushed again", async (registry) => {
    const first = await pushImage(registry, a, { tags: tags("a") });
    await registry.deleteManifest(a, first.descriptor.digest);
    const again = await pushBytes(registry, a, first.bytes, tags("b"));
    expect(again.descriptor).toEqual(first.descriptor);
    expect((await registry.listTags(a)).items).toEqual(tags("b"));
  });
}
