import { referrerDescriptor } from "../oci/manifests.ts";
import { pageOf } from "../registry/paging.ts";
import type { ReferrerLister } from "../registry/registry.ts";
import type { LayoutContents } from "./contents.ts";
import type { HoldingsReader } from "./holdings.ts";
import type { PlaceName } from "./names.ts";

/** Referrers in one registry's repositories in a layout: manifests that name a subject. */
export function createReferrerLister(
  registry: PlaceName["registry"],
  contents: LayoutContents,
  holdings: HoldingsReader,
): ReferrerLister {
  return {
    async listReferrers(repository, subject, options = {}) {
      options.signal?.throwIfAborted();
      const { artifactType } = options;
      const { index } = await contents.current();
      const { manifests } = await holdings.of(index, { registry, repository });
      const referrers = [...manifests.values()].flatMap(({ manifest, descriptor: { digest, size } }) =>
        manifest?.subject?.digest === subject ? [referrerDescriptor(manifest, digest, size)] : [],
      );
      const matching = referrers.filter(
        (referrer) => artifactType === undefined || referrer.artifactType === artifactType,
      );
      return pageOf(matching, ({ digest }) => digest, options);
    },
  };
}
