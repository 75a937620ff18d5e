import type { CollectionMetadata } from "../../collection.ts";
import type { SqliteDatabase } from "../database.ts";
import { createCandidates } from "./candidates.ts";
import { createCollectionFacts } from "./facts.ts";
import { createRemovedFiles } from "./files.ts";
import { createHolds } from "./holds.ts";
import { createReviews } from "./reviews.ts";
import { createRuns } from "./runs.ts";

/** The review queue, and what is known of collections. */
export function createCollectionMetadata(database: SqliteDatabase): CollectionMetadata {
  const holds = createHolds(database);
  const runs = createRuns(database);
  const { backlog, ...facts } = createCollectionFacts(database);
  return {
    ...holds.metadata,
    ...createReviews(database, holds.isHeld, runs.count),
    ...createRemovedFiles(database, holds.isHeld, runs.count),
    ...runs.metadata,
    ...createCandidates(database),
    ...facts,
    backlog: () => ({ ...backlog(), holds: holds.list(), total: runs.total() }),
  };
}
