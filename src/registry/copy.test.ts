import { describe, expect, test } from "bun:test";
import type { Descriptor } from "../oci/descriptors.ts";
import { mediaTypes } from "../oci/media-types.ts";
import type { Tag } from "../oci/names.ts";
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
  readBlob,
  tags,
} from "./contract/fixtures.ts";
import type { CopyEvent } from "./copy/events.ts";
import { type CopyOptions, copy } from "./copy.ts";
import { createMemoryRegistry } from "./memory.ts";
import type { Registry } from "./registry.ts";

const [latest] = tags("latest") as [Tag]; // safe: one name gives one tag

/** Two registries, and the copy from `a` of one to `b` of the other. */
function setUp() {
  const from = createMemoryRegistry();
  const to = createMemoryRegistry();
  const listened = withCalls(to);
  const run = (reference: Tag | Descriptor, names: readonly Tag[] = [], options: CopyOptions = {}) =>
    copy(
      { registry: from, repository: a, ...(typeof reference === "string" ? { tag: reference } : reference) },
      { registry: listened.registry, repository: b, tags: names },
      options,
    );
  return { from, to, run, calls: listened.calls };
}

function methodsOf(calls: readonly { readonly method: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { method } of calls) counts[method] = (counts[method] ?? 0) + 1;
  return counts;
}

/** Checks the grammar of events and gives each descriptor's last state. */
function statesOf(events: readonly CopyEvent[]): Map<string, CopyEvent["state"]> {
  const states = new Map<string, CopyEvent["state"]>();
  const bytes = new Map<string, number>();
  for (const event of events) {
    const { digest, size } = event.descriptor;
    const before = states.get(digest);
    if (event.state === "waiting") expect(before).toBeUndefined();
    else expect(before).toBeOneOf(["waiting", "bytes"]);
    if (event.state === "bytes") {
      expect(event.bytes).toBeGreaterThan(bytes.get(digest) ?? 0);
      bytes.set(digest, event.bytes);
    }
    if (before === "bytes" && event.state === "done") expect(bytes.get(digest)).toBe(size);
    states.set(digest, event.state);
  }
  return states;
}

async function expectImage(registry: Registry, pushed: Awaited<ReturnType<typeof pushImage>>): Promise<void> {
  expect((await registry.getManifest(b, pushed.descriptor.digest)).bytes).toEqual(pushed.bytes);
  for (const blob of pushed.blobs) expect((await readBlob(registry, b, blob)).byteLength).toBe(blob.size);
}

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

describe("copy of an index", () => {
  const amd64 = { architecture: "amd64", os: "linux" };
  const arm64 = { architecture: "arm64", os: "linux", variant: "v8" };
  const s390x = { architecture: "s390x", os: "linux" };

  async function pushPlatforms(registry: Registry) {
    const images = [];
    for (const [at, platform] of [amd64, arm64, s390x].entries()) {
      const image = await pushImage(registry, a, {
        config: platform,
        layers: [bytesFor(1), bytesFor(at + 10)],
      });
      images.push({ ...image, child: { ...image.descriptor, platform } });
    }
    const index = await pushIndex(
      registry,
      a,
      images.map(({ child }) => child),
      { tags: [latest] },
    );
    return { images, index };
  }

  test("copy moves all children, nested ones and blobs among them, before what lists them", async () => {
    const { from, to, run, calls } = setUp();
    const { images, index } = await pushPlatforms(from);
    const layer = { ...(await pushBlob(from, a, bytesFor(77))), mediaType: mediaTypes.ociLayerGzip };
    const odd = {
      ...(await pushImage(from, a, { layers: [] })).descriptor,
      mediaType: "application/vnd.example",
    };
    const outer = await pushIndex(from, a, [index.descriptor, layer, odd], { tags: tags("outer") });
    const events: CopyEvent[] = [];
    await run(tags("outer")[0] ?? latest, [latest], { onEvent: (event) => events.push(event) });
    for (const image of images) await expectImage(to, image);
    for (const each of [index, outer])
      expect((await to.getManifest(b, each.descriptor.digest)).bytes).toEqual(each.bytes);
    expect((await to.resolveBlob(b, layer.digest)).size).toBe(layer.size);
    expect((await to.resolveManifest(b, odd.digest)).size).toBe(odd.size);
    expect((await to.listTags(b)).items).toEqual([latest]);
    expect([...statesOf(events).values()].every((state) => state === "done")).toBe(true);
    expect(calls.at(-1)?.method).toBe("putManifest");
  });

  test("copy moves a child once when it is listed several times", async () => {
    const { from, run, calls } = setUp();
    const { descriptor } = await pushImage(from, a);
    const inner = await pushIndex(from, a, [descriptor, descriptor]);
    await pushIndex(from, a, [descriptor, inner.descriptor, inner.descriptor], { tags: [latest] });
    await run(latest, [latest]);
    expect(methodsOf(calls)).toMatchObject({ resolveManifest: 3, putManifest: 3 });
  });

  test("copy skips the children that are there", async () => {
    const { from, run, calls } = setUp();
    const { images } = await pushPlatforms(from);
    for (const { descriptor } of images.slice(1)) await run(descriptor);
    calls.length = 0;
    await run(latest, [latest]);
    // The index and three children are asked for, then only the first child's own blobs.
    expect(methodsOf(calls)).toEqual({ resolveManifest: 4, resolveBlob: 3, putBlob: 2, putManifest: 2 });
  });

  test("copy pushes the child alone when one platform is chosen", async () => {
    const { from, to, run } = setUp();
    const { images, index } = await pushPlatforms(from);
    const [, wanted] = images;
    const { descriptor } = await run(latest, [latest], {
      platforms: [{ architecture: "arm64", os: "linux" }],
    });
    expect(descriptor).toEqual(wanted?.descriptor ?? expect.unreachable());
    expect(await to.resolveTag(b, latest)).toEqual(descriptor);
    await errorOf(to.getManifest(b, index.descriptor.digest), "MANIFEST_UNKNOWN");
    await errorOf(to.getManifest(b, images[0]?.descriptor.digest ?? descriptor.digest), "MANIFEST_UNKNOWN");
  });

  test("copy pushes a new index when several platforms are chosen, the same one each time", async () => {
    const { from, to, run } = setUp();
    const { images } = await pushPlatforms(from);
    const { descriptor } = await run(latest, [latest], { platforms: [s390x, amd64] });
    const { bytes } = await to.getTag(b, latest);
    const { manifests } = JSON.parse(new TextDecoder().decode(bytes));
    expect(manifests).toEqual([images[0]?.child, images[2]?.child]);
    await errorOf(to.getManifest(b, images[1]?.descriptor.digest ?? descriptor.digest), "MANIFEST_UNKNOWN");
    const again = await run(latest, [latest], { platforms: [amd64, s390x] });
    expect(again).toMatchObject({ descriptor, bytesSent: 0 });
  });

  test("copy keeps the index when all its platforms are chosen, or none is named", async () => {
    for (const platforms of [[amd64, arm64, s390x], []]) {
      const { from, to, run } = setUp();
      const { index } = await pushPlatforms(from);
      await run(latest, [latest], { platforms });
      expect((await to.getTag(b, latest)).bytes).toEqual(index.bytes);
    }
  });

  test("copy names the platforms that are there when the chosen one is not, and moves nothing", async () => {
    const { from, run, calls } = setUp();
    await pushPlatforms(from);
    const platforms = [amd64, { os: "linux", architecture: "riscv64" }];
    const error = await errorOf(run(latest, [latest], { platforms }), "MANIFEST_UNKNOWN");
    expect(error.message).toContain("linux/riscv64");
    expect(error.message).toContain("linux/amd64, linux/arm64/v8, linux/s390x");
    expect(calls).toEqual([]);
  });

  test("copy takes an image that is no index only when it is of the chosen platform", async () => {
    const { from, to, run } = setUp();
    const { images } = await pushPlatforms(from);
    const image = images[1]?.descriptor ?? expect.unreachable();
    await run(image, [latest], { platforms: [{ os: "linux", architecture: "arm64" }] });
    expect(await to.resolveTag(b, latest)).toEqual(image);
    const error = await errorOf(run(image, [latest], { platforms: [amd64] }), "MANIFEST_UNKNOWN");
    expect(error.message).toContain("it has linux/arm64/v8");
  });

  test("copy refuses a platform when an artifact has none", async () => {
    const { from, run } = setUp();
    const { blobs } = await pushImage(from, a);
    const config = { ...blobs[0], mediaType: "application/vnd.example.config" };
    const bytes = jsonBytes({ schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: [] });
    const { descriptor } = await pushBytes(from, a, bytes);
    const error = await errorOf(run(descriptor, [latest], { platforms: [amd64] }), "MANIFEST_UNKNOWN");
    expect(error.message).toContain("it names no platforms");
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
