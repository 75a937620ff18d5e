import type { CollectionMetadata, CollectionStep } from "../../collection.ts";
import type { SqliteDatabase } from "../database.ts";
import type { RemovedFiles } from "./files.ts";
import type { Counts, Reviews } from "./reviews.ts";
import type { CountCollected } from "./runs.ts";

/** What a step stands on. */
export interface StepParts {
  readonly files: RemovedFiles;
  readonly reviews: Reviews;
  readonly isHeld: () => boolean;
  readonly count: CountCollected;
}

/**
 * Makes the steps of collections, each of them one transaction. The files that it takes away were decided about in
 * earlier ones, which are durable: a power failure never finds a row without its file.
 */
export function createSteps(
  { prepare, write }: SqliteDatabase,
  { files, reviews, isHeld, count }: StepParts,
): Pick<CollectionMetadata, "collect"> {
  const version = prepare<{ data_version: number }, []>("PRAGMA data_version");
  let seen: number | undefined;
  const haveOthersWritten = (): boolean => {
    const before = seen;
    seen = version.get()?.data_version;
    return before !== undefined && seen !== before;
  };
  return {
    collect: (run, rules, fileStep) =>
      write((): CollectionStep => {
        const counts: Counts = { manifests: 0, links: 0, ...files.forget(fileStep?.gone ?? []) };
        const isBeside = haveOthersWritten();
        if (isHeld()) {
          count(run, counts);
          return { ...counts, taken: [], held: true, more: false, isBeside };
        }
        const withdrawn = fileStep && files.withdraw(fileStep);
        const decided = reviews.decide(rules, counts, fileStep?.limit ?? Number.POSITIVE_INFINITY);
        count(run, counts);
        const hasFiles = withdrawn !== undefined && (withdrawn.more || decided.files > 0);
        const more = decided.more || hasFiles;
        return { ...counts, taken: withdrawn?.taken ?? [], held: false, more, isBeside };
      }),
  };
}
