import { describe, expect, test } from "bun:test";
import { mediaTypes } from "../oci/media-types.ts";
import { expectImage, latest, methodsOf, setUp, statesOf } from "./contract/copies.ts";
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
import type { Registry } from "./registry.ts";

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
