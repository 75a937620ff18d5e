import type { Gathered } from "../../layout/archive/gather.ts";
import type { Digest } from "../../oci/digests.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";
import type { History } from "./history.ts";

/** A repository as it is now, for an archive. */
export interface Collected {
  readonly repository: RepositoryName;
  readonly tags: ReadonlyMap<Tag, Digest>;
  readonly gathered: Gathered;
  readonly history: History | undefined;
  /** Tags of images that cannot be read: they are as they were in the archive before. */
  readonly leftOut: ReadonlySet<Tag>;
  /** What the archive before had of it, and what is not there any more. */
  readonly gone: readonly Digest[];
}
