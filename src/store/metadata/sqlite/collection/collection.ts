import type { CollectionMetadata } from "../../collection.ts";
import type { SqliteDatabase } from "../database.ts";
import { createCandidates } from "./candidates.ts";
import { createCollectionFacts } from "./facts.ts";
import { createRemovedFiles } from "./files.ts";
import { createHolds } from "./holds.ts";
import { createReviews } from "./reviews.ts";
import { createRuns } from "./runs.ts";
import { createSteps } from "./steps.ts";

/** The review queue, and what is known of collections. */
export function createCollectionMetadata(database: SqliteDatabase): CollectionMetadata {
  const holds = createHolds(database);
  const runs = createRuns(database);
  const files = createRemovedFiles(database);
  const reviews = createReviews(database, holds.isHeld);
  const { backlog, ...facts } = createCollectionFacts(database);
  return {
    ...holds.metadata,
    ...files.metadata,
    ...createSteps(database, { files, reviews, isHeld: holds.isHeld, count: runs.count }),
    hasWork: reviews.hasWork,
    ...runs.metadata,
    ...createCandidates(database),
    ...facts,
    backlog: () => ({ ...backlog(), holds: holds.list(), total: runs.total() }),
  };
}
