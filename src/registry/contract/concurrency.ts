import { describe, expect } from "bun:test";
import type { Tag } from "../../oci/names.ts";
import type { Registry } from "../registry.ts";
import { streamOf } from "../streams.ts";
import type { Contract } from "./contract.ts";
import {
  repositoryA as a,
  repositoryB as b,
  bytesFor,
  describeBytes,
  errorOf,
  heldBody,
  imageBytes,
  pushBlob,
  pushBytes,
  pushImage,
  readBlob,
  tags,
} from "./fixtures.ts";

const [tag] = tags("latest") as [Tag]; // safe: one name gives one tag

/** Several clients at once. */
export function describeConcurrency({ test }: Contract): void {
  describe("concurrency", () => {
    const bytes = bytesFor(7, 200_000);
    const { digest } = describeBytes(bytes);

    test("putBlob succeeds for everybody when many push the same blob at once", async (registry) => {
      const places = [a, b, a, b, a, b];
      await Promise.all(places.map((repository) => pushBlob(registry, repository, bytes)));
      for (const repository of [a, b])
        expect(await readBlob(registry, repository, { digest })).toEqual(bytes);
    });

    test("putBlob succeeds when another push of the same blob is wrong", async (registry) => {
      const { body, held, release } = heldBody(bytes.subarray(0, 9));
      const wrong = errorOf(registry.putBlob(a, { digest }, body), "DIGEST_INVALID");
      await held;
      await pushBlob(registry, a, bytes);
      release();
      await wrong;
      expect(await readBlob(registry, a, { digest })).toEqual(bytes);
    });

    test("finishUpload succeeds for everybody when many upload the same blob at once", async (registry) => {
      const upload = async (): Promise<void> => {
        const { id } = await registry.startUpload(a);
        await registry.appendUpload(a, id, streamOf(bytes, 50_000));
        await registry.finishUpload(a, id, digest);
      };
      await Promise.all([upload(), upload(), upload(), pushBlob(registry, a, bytes)]);
      expect(await readBlob(registry, a, { digest })).toEqual(bytes);
    });

    test("putManifest succeeds for everybody when many push the same tag at once", async (registry) => {
      const seeds = [1, 2, 3, 4, 5, 6];
      const pushed = await Promise.all(
        seeds.map((seed) => pushImage(registry, a, { layers: [bytesFor(seed)], tags: [tag] })),
      );
      const { descriptor, bytes: stored } = await registry.getTag(a, tag);
      const winner = pushed.find((each) => each.descriptor.digest === descriptor.digest);
      expect(stored).toEqual(winner?.bytes ?? expect.unreachable());
      expect((await registry.listTags(a)).items).toEqual([tag]);
      for (const each of pushed)
        expect(await registry.resolveManifest(a, each.descriptor.digest)).toEqual(each.descriptor);
    });

    test("putManifest and deleteBlob leave no manifest without its blobs when they meet", async (registry) => {
      for (let seed = 0; seed < 10; seed++) await meet(registry, seed);
    });
  });
}

async function meet(registry: Registry, seed: number): Promise<void> {
  const layer = await pushBlob(registry, a, bytesFor(seed + 100));
  const bytes = imageBytes(layer, []);
  const deleting = () => registry.deleteBlob(a, layer.digest);
  const putting = () => pushBytes(registry, a, bytes, [tag]);
  const acts = seed % 2 === 0 ? [deleting, putting] : [putting, deleting];
  const results = await Promise.allSettled(acts.map((act) => act()));
  expect(results.filter(({ status }) => status === "fulfilled").length).toBe(1);
  const { digest } = describeBytes(bytes);
  const holds = await registry.resolveManifest(a, digest).then(
    () => true,
    () => false,
  );
  if (holds) expect(await registry.resolveBlob(a, layer.digest)).toMatchObject({ digest: layer.digest });
}
