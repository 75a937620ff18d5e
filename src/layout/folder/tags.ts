import type { TagReader } from "../../registry/registry.ts";
import { withoutTag } from "../document.ts";
import type { PlaceName } from "../names.ts";
import { createTagLister, requireTag } from "../tags.ts";
import type { LayoutDisk } from "./disk.ts";

/** Tags of one registry's repositories in a folder. */
export function createTags(registry: PlaceName["registry"], disk: LayoutDisk): TagReader {
  return {
    ...createTagLister(registry, disk),
    async deleteTag(repository, tag, { signal } = {}) {
      signal?.throwIfAborted();
      const place = { registry, repository };
      await disk.change(async (state) => {
        requireTag(state, disk.files.name, place, tag);
        return { index: withoutTag(state.index, place, tag), value: undefined };
      });
    },
  };
}
