import { z } from "zod";
import { duration } from "./duration-setting.ts";

/** When space is given back. */
export const collectionSettings = z
  .strictObject({
    grace: duration.default(24 * 3_600_000).describe("What was deleted can be brought back for so long"),
    lease: duration
      .default(3_600_000)
      .describe("Who was told that a blob exists, or uploaded it, may count on it for so long, at least"),
    every: z
      .union([z.literal("never"), duration])
      .default(60_000)
      .describe("How often it is looked whether something can be removed"),
  })
  .prefault({});
