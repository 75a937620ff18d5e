import { expect, test } from "bun:test";
import { parseRepositoryName } from "../../oci/names.ts";
import { bytesFor, pushImage } from "../../registry/contract/fixtures.ts";
import { createMemoryRegistry } from "../../registry/memory.ts";
import { createReferrerLister } from "./referrers.ts";

test("listReferrers reads each manifest once when several repositories are asked about by turns", async () => {
  const registry = createMemoryRegistry();
  const repositories = ["a", "b", "c", "d"].map(parseRepositoryName);
  const images = await Promise.all(
    repositories.map(async (repository) => {
      const { descriptor } = await pushImage(registry, repository, { layers: [bytesFor(1)] });
      const referrer = await pushImage(registry, repository, {
        layers: [bytesFor(2)],
        subject: descriptor,
        artifactType: "text/signature",
      });
      return { repository, descriptor, referrer: referrer.descriptor };
    }),
  );
  let reads = 0;
  const { listReferrers } = createReferrerLister(
    async (repository) =>
      images.flatMap((each) =>
        each.repository === repository ? [each.descriptor.digest, each.referrer.digest] : [],
      ),
    (repository, digest) => {
      reads += 1;
      return registry.getManifest(repository, digest);
    },
  );
  for (let turn = 0; turn < 3; turn++) {
    for (const { repository, descriptor, referrer } of images) {
      const { items } = await listReferrers(repository, descriptor.digest);
      expect(items).toMatchObject([{ digest: referrer.digest, artifactType: "text/signature" }]);
    }
  }
  expect(reads).toBe(2 * images.length);
});
