import type { VerificationMetadata } from "../../verification.ts";
import type { SqliteDatabase } from "../database.ts";
import { createInspectionMetadata } from "./inspection.ts";
import { createMendingMetadata } from "./mending.ts";
import { createRunMetadata } from "./runs.ts";

/** What verifications know, look at and change, in SQLite. */
export function createVerificationMetadata(database: SqliteDatabase): VerificationMetadata {
  return {
    ...createRunMetadata(database),
    ...createInspectionMetadata(database),
    ...createMendingMetadata(database),
  };
}
