import { describe, expect } from "bun:test";
import { mediaTypes } from "../../oci/media-types.ts";
import type { Contract } from "./contract.ts";
import {
  repositoryA as a,
  allPages,
  repositoryB as b,
  bytesFor,
  describeBytes,
  emptyRepository,
  indexBytes,
  pushBytes,
  pushImage,
  pushIndex,
} from "./fixtures.ts";

const byDigest = (x: { readonly digest: string }, y: { readonly digest: string }) =>
  x.digest < y.digest ? -1 : 1;

/** Lists of what refers to a manifest. */
export function describeReferrers({ test }: Contract): void {
  describe("referrers", () => {
    test("listReferrers describes the manifests whose subject it is", async (registry) => {
      const { descriptor: subject } = await pushImage(registry, a);
      const annotations = { "org.example.note": "signed" };
      const signature = await pushImage(registry, a, {
        layers: [],
        subject,
        artifactType: "example/sig",
        annotations,
      });
      const image = await pushImage(registry, a, { layers: [bytesFor(3)], subject });
      const index = await pushIndex(registry, a, [], { more: { subject } });
      expect(signature.result.subject).toBe(subject.digest);
      expect((await registry.listReferrers(a, subject.digest)).items).toEqual(
        [
          { ...signature.descriptor, artifactType: "example/sig", annotations },
          { ...image.descriptor, artifactType: mediaTypes.ociConfig },
          index.descriptor,
        ].sort(byDigest),
      );
    });

    test("listReferrers lists a referrer when the subject comes later, or never", async (registry) => {
      const bytes = indexBytes([]);
      const subject = describeBytes(bytes, mediaTypes.ociIndex);
      const referrer = await pushImage(registry, a, { subject });
      const digests = async () =>
        (await registry.listReferrers(a, subject.digest)).items.map(({ digest }) => digest);
      expect(await digests()).toEqual([referrer.descriptor.digest]);
      await pushBytes(registry, a, bytes);
      expect(await digests()).toEqual([referrer.descriptor.digest]);
      await registry.deleteManifest(a, subject.digest);
      expect(await digests()).toEqual([referrer.descriptor.digest]);
    });

    test("listReferrers no longer lists a manifest when it is deleted", async (registry) => {
      const { descriptor: subject } = await pushImage(registry, a);
      const referrer = await pushImage(registry, a, { layers: [], subject });
      await registry.deleteManifest(a, referrer.descriptor.digest);
      expect(await registry.listReferrers(a, subject.digest)).toEqual({ items: [] });
    });

    test("listReferrers gives an empty page when subject or repository are not there", async (registry) => {
      const { descriptor: subject } = await pushImage(registry, a);
      await pushImage(registry, a, { layers: [], subject });
      for (const repository of [b, emptyRepository]) {
        expect(await registry.listReferrers(repository, subject.digest)).toEqual({ items: [] });
      }
      const { digest } = describeBytes(bytesFor(50));
      expect(await registry.listReferrers(a, digest)).toEqual({ items: [] });
    });

    test("listReferrers gives pages in the order of digests, of one type when it is asked for", async (registry) => {
      const { descriptor: subject } = await pushImage(registry, a);
      const all: { digest: string; artifactType: string }[] = [];
      for (let at = 0; at < 7; at++) {
        const artifactType = at % 3 === 0 ? "example/sbom" : "example/sig";
        const annotations = { at: `${at}` };
        const { descriptor } = await pushImage(registry, a, {
          layers: [],
          subject,
          artifactType,
          annotations,
        });
        all.push({ digest: descriptor.digest, artifactType });
      }
      all.sort(byDigest);
      for (const artifactType of [undefined, "example/sbom", "example/sig", "example/other"]) {
        const filter = artifactType === undefined ? {} : { artifactType };
        const expected = all.filter(
          (each) => artifactType === undefined || each.artifactType === artifactType,
        );
        for (const limit of [1, 2, 3, 7, 100]) {
          const list = (page: object) => registry.listReferrers(a, subject.digest, { ...page, ...filter });
          expect((await allPages(list, limit)).map(({ digest }) => digest as string)).toEqual(
            expected.map(({ digest }) => digest),
          );
        }
      }
      expect(await registry.listReferrers(a, subject.digest, { limit: 0 })).toEqual({ items: [] });
    });
  });
}
