import { describe, expect, test } from "bun:test";
import { mediaTypes } from "../oci/media-types.ts";
import { parseRepositoryName } from "../oci/names.ts";
import { expectImage, latest, methodsOf, setUp, statesOf } from "./contract/copies.ts";
import { withCalls } from "./contract/faults.ts";
import {
  repositoryA as a,
  repositoryB as b,
  bytesFor,
  errorOf,
  jsonBytes,
  pushBlob,
  pushBytes,
  pushImage,
  pushIndex,
  tags,
} from "./contract/fixtures.ts";
import type { CopyEvent } from "./copy/events.ts";
import { copy } from "./copy.ts";
import { digestOf } from "./hash.ts";
import { createMemoryRegistry } from "./memory.ts";
import type { Registry } from "./registry.ts";

describe("copy of an image", () => {
  test("copy moves manifest, blobs and tags when the destination is empty", async () => {
    const { from, to, run } = setUp();
    const image = await pushImage(from, a, { tags: [latest] });
    const events: CopyEvent[] = [];
    const result = await run(latest, tags("1", "latest"), { onEvent: (event) => events.push(event) });
    const bytesSent = image.blobs.reduce((sum, { size }) => sum + size, 0);
    expect(result).toEqual({
      descriptor: image.descriptor,
      tags: tags("1", "latest"),
      bytesSent,
      warnings: [],
    });
    await expectImage(to, image);
    for (const tag of tags("1", "latest"))
      expect((await to.resolveTag(b, tag)).digest).toBe(image.descriptor.digest);
    const states = statesOf(events);
    expect([...states.values()]).toEqual(Array(4).fill("done"));
    expect(events.at(-1)).toEqual({ state: "done", descriptor: image.descriptor });
  });

  test("copy leaves the copy untagged when it goes by digest and without tags", async () => {
    const { from, to, run } = setUp();
    const image = await pushImage(from, a, { algorithm: "sha512" });
    await run(image.descriptor);
    await expectImage(to, image);
    expect((await to.listTags(b)).items).toEqual([]);
  });

  test("copy asks for the manifest and sets the tags alone when all is there", async () => {
    const { from, run, calls } = setUp();
    await pushImage(from, a, { tags: [latest] });
    await run(latest, [latest]);
    calls.length = 0;
    const events: CopyEvent[] = [];
    const result = await run(latest, [latest], { onEvent: (event) => events.push(event) });
    expect(methodsOf(calls)).toEqual({ resolveManifest: 1, putManifest: 1 });
    expect(result.bytesSent).toBe(0);
    expect(events.map(({ state }) => state)).toEqual(["waiting", "exists"]);
    calls.length = 0;
    await run(latest);
    expect(methodsOf(calls)).toEqual({ resolveManifest: 1 });
  });

  test("copy sends only what is missing", async () => {
    const { from, to, run, calls } = setUp();
    const layers = [bytesFor(1), bytesFor(2), bytesFor(3, 5000)];
    const image = await pushImage(from, a, { layers, tags: [latest] });
    await pushBlob(to, b, bytesFor(1));
    await pushBlob(to, b, bytesFor(2));
    const events: CopyEvent[] = [];
    const result = await run(latest, [latest], { onEvent: (event) => events.push(event) });
    expect([...statesOf(events).values()].sort()).toEqual(["done", "done", "done", "exists", "exists"]);
    expect(result.bytesSent).toBe(5000 + (image.blobs[0]?.size ?? 0));
    expect(methodsOf(calls)).toEqual({ resolveManifest: 1, resolveBlob: 4, putBlob: 2, putManifest: 1 });
    await expectImage(to, image);
  });

  test("copy mounts blobs when both are repositories of one registry", async () => {
    const from = createMemoryRegistry();
    const image = await pushImage(from, a, { tags: [latest] });
    const { registry, calls } = withCalls(from);
    const events: CopyEvent[] = [];
    const source = { registry, repository: a, tag: latest };
    const options = { onEvent: (event: CopyEvent) => events.push(event) };
    const result = await copy(source, { registry, repository: b, tags: [latest] }, options);
    expect([...statesOf(events).values()].sort()).toEqual(["done", "mounted", "mounted", "mounted"]);
    expect(result.bytesSent).toBe(0);
    expect(methodsOf(calls)).toMatchObject({ mountBlob: 3 });
    expect(methodsOf(calls)).not.toHaveProperty("putBlob");
    await expectImage(from, image);
  });

  test("copy mounts what another repository of the destination has, and sends the rest", async () => {
    const { from, to, run, calls } = setUp();
    const [empty, holder] = [parseRepositoryName("x/empty"), parseRepositoryName("x/holder")];
    const image = await pushImage(from, a, { layers: [bytesFor(1), bytesFor(2)], tags: [latest] });
    await pushBlob(to, holder, bytesFor(1));
    const mountsFrom = () => [empty, holder];
    const events: CopyEvent[] = [];
    await run(latest, [latest], { mountsFrom, onEvent: (event) => events.push(event) });
    expect(events.filter(({ state }) => state === "mounted")).toEqual([
      {
        state: "mounted",
        descriptor: expect.objectContaining({ digest: digestOf(bytesFor(1)) }),
        from: holder,
      },
    ]);
    expect(methodsOf(calls)).toMatchObject({ putBlob: 2, mountBlob: 6 });
    await expectImage(to, image);
  });

  test("copy tags when source and destination are the same repository", async () => {
    const from = createMemoryRegistry();
    const image = await pushImage(from, a, { tags: [latest] });
    const { registry, calls } = withCalls(from);
    await copy({ registry, repository: a, tag: latest }, { registry, repository: a, tags: tags("stable") });
    expect(methodsOf(calls)).toEqual({ getTag: 1, resolveManifest: 1, putManifest: 1 });
    expect(await from.resolveTag(a, tags("stable")[0] ?? latest)).toEqual(image.descriptor);
  });

  test("copy sends a blob once when several layers are the same", async () => {
    const { from, run, calls } = setUp();
    await pushImage(from, a, { layers: [bytesFor(1), bytesFor(1), bytesFor(1)], tags: [latest] });
    await run(latest);
    expect(methodsOf(calls)).toMatchObject({ putBlob: 2, resolveBlob: 2 });
  });

  test("copy leaves foreign layers where they are", async () => {
    const { from, to, run } = setUp();
    const { blobs } = await pushImage(from, a);
    const [config] = blobs;
    const foreign = { ...config, mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" };
    const { descriptor } = await pushBytes(
      from,
      a,
      jsonBytes({ schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: [foreign] }),
    );
    await run(descriptor, [latest]);
    expect(await to.resolveTag(b, latest)).toEqual(descriptor);
  });

  test("copy mends a destination that has the manifest and lost its blobs", async () => {
    const { from, to } = setUp();
    const image = await pushImage(from, a, { tags: [latest] });
    const forgetful: Registry = { ...to, resolveManifest: async () => image.descriptor };
    const destination = { registry: forgetful, repository: b, tags: [latest] };
    await copy({ registry: from, repository: a, tag: latest }, destination);
    await expectImage(to, image);
  });

  test("copy tells what is not there when the source lacks repository, tag, digest or blob", async () => {
    const { from, to, run } = setUp();
    await errorOf(run(latest), "NAME_UNKNOWN");
    const image = await pushImage(from, a);
    await errorOf(run(latest), "MANIFEST_UNKNOWN");
    await errorOf(
      run({ ...image.descriptor, digest: image.blobs[0]?.digest ?? image.descriptor.digest }),
      "MANIFEST_UNKNOWN",
    );
    const lost = { ...from, getBlob: () => from.getBlob(b, image.descriptor.digest) };
    const copying = copy(
      { registry: lost, repository: a, digest: image.descriptor.digest },
      { registry: to, repository: b, tags: [latest] },
    );
    await errorOf(copying, "BLOB_UNKNOWN");
    await errorOf(to.resolveTag(b, latest), "NAME_UNKNOWN");
  });
});

describe("copy of referrers", () => {
  const platform = { architecture: "amd64", os: "linux" };

  /** An index of one image; the image is signed, the signature has a note, and the index has an SBOM. */
  async function pushSigned(registry: Registry) {
    const image = await pushImage(registry, a, { config: platform });
    const other = await pushImage(registry, a, { config: { ...platform, architecture: "arm64" } });
    const children = [image, other].map(({ descriptor }, at) => ({
      ...descriptor,
      platform: { ...platform, architecture: at === 0 ? "amd64" : "arm64" },
    }));
    const index = await pushIndex(registry, a, children, { tags: [latest] });
    const signature = await pushImage(registry, a, { layers: [bytesFor(20)], subject: image.descriptor });
    const note = await pushImage(registry, a, { layers: [bytesFor(21)], subject: signature.descriptor });
    const sbom = await pushImage(registry, a, { layers: [bytesFor(22)], subject: index.descriptor });
    return { image, index, signature, note, sbom };
  }

  test("copy moves referrers of all that is copied, and theirs, before the tags", async () => {
    const { from, to, run, calls } = setUp();
    const { signature, note, sbom } = await pushSigned(from);
    const result = await run(latest, [latest], { referrers: true });
    for (const each of [signature, note, sbom]) await expectImage(to, each);
    expect(result.warnings).toEqual([]);
    expect(calls.at(-1)?.method).toBe("putManifest");
    const { items } = await to.listReferrers(b, signature.descriptor.digest);
    expect(items.map(({ digest }) => digest)).toEqual([note.descriptor.digest]);
  });

  test("copy leaves referrers behind when they are not asked for", async () => {
    const { from, to, run } = setUp();
    const { signature } = await pushSigned(from);
    await run(latest, [latest]);
    await errorOf(to.getManifest(b, signature.descriptor.digest), "MANIFEST_UNKNOWN");
  });

  test("copy adds the referrers that are missing when all else is there", async () => {
    const { from, to, run } = setUp();
    const { signature, note, sbom } = await pushSigned(from);
    await run(latest, [latest]);
    await run(latest, [], { referrers: true });
    for (const each of [signature, note, sbom]) await expectImage(to, each);
  });

  test("copy moves the chosen platform's referrers, not those of the index", async () => {
    const { from, to, run } = setUp();
    const { signature, sbom } = await pushSigned(from);
    await run(latest, [latest], { referrers: true, platforms: [platform] });
    await expectImage(to, signature);
    await errorOf(to.getManifest(b, sbom.descriptor.digest), "MANIFEST_UNKNOWN");
  });

  test("copy warns when a referrer is listed but not there", async () => {
    const { from, to } = setUp();
    const { signature, sbom } = await pushSigned(from);
    const { digest } = sbom.descriptor;
    const stale: Registry = {
      ...from,
      resolveManifest: (repository, wanted) =>
        from.resolveManifest(wanted === digest ? b : repository, wanted),
    };
    const destination = { registry: to, repository: b, tags: [latest] };
    const result = await copy({ registry: stale, repository: a, tag: latest }, destination, {
      referrers: true,
    });
    expect(result.warnings).toEqual([expect.stringContaining(digest)]);
    await expectImage(to, signature);
  });

  test("copy ends when a referrer lists its own subject", async () => {
    const { from, to, run } = setUp();
    const image = await pushImage(from, a, { tags: [latest] });
    const around = await pushIndex(from, a, [image.descriptor], { more: { subject: image.descriptor } });
    await run(latest, [latest], { referrers: true });
    expect((await to.getManifest(b, around.descriptor.digest)).bytes).toEqual(around.bytes);
    expect(await to.resolveTag(b, latest)).toEqual(image.descriptor);
  });
});
