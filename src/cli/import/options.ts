import type { RepositoryName } from "../../oci/names.ts";
import type { CopyEvent } from "../../registry/copy/events.ts";
import type { RepositoryReport } from "./report.ts";
import type { Wanted } from "./source.ts";

/** How an import is done. */
export interface ImportOptions {
  readonly wanted: Wanted;
  /** Nothing is written: only what would be is found out. */
  readonly dryRun: boolean;
  /** Tags that the destination has stay where they are. */
  readonly keepsTags: boolean;
  /** What refers to images comes along. */
  readonly referrers: boolean;
  /** Stands before the names of all repositories at the destination. */
  readonly prefix: string | undefined;
  /** The name of images that have none. */
  readonly nameless: RepositoryName | undefined;
  readonly signal: AbortSignal;
  /** Told of each repository that is through. */
  readonly onRepository: (report: RepositoryReport) => void;
  /** Told of each blob and manifest as it moves. */
  readonly onEvent: (event: CopyEvent) => void;
}
