import type { Digest } from "../../oci/digests.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";
import type { ImportDestination } from "./destination.ts";
import type { ImportOptions } from "./options.ts";
import type { Tally } from "./report.ts";
import type { OnProblem, SourceTag } from "./source.ts";
import type { Stop } from "./stop.ts";

/** One repository on its way. */
export interface RepositoryRun extends ImportOptions {
  readonly destination: ImportDestination;
  /** Its name at the destination. */
  readonly target: RepositoryName;
  readonly tally: Tally;
  readonly onProblem: OnProblem;
  readonly stop: Stop;
}

/** A tag that has to be pointed at what it points at in the source, and whether the destination has it. */
export interface WantedTag extends SourceTag {
  readonly tag: Tag;
  readonly fate: "new" | "moved";
}

/** A manifest that is to be copied, and the tags that do not point at it yet. */
export interface Group {
  readonly digest: Digest;
  readonly tags: readonly WantedTag[];
}
