import { z } from "zod";
import { duration } from "./duration-setting.ts";
import { sizeSetting } from "./sizes.ts";

/** When the whole store is read, and how fast. */
export const verifySettings = z
  .strictObject({
    every: z
      .union([z.literal("never"), duration])
      .default(30 * 24 * 3_600_000)
      .describe("How long after the end of one verification the next begins"),
    rate: sizeSetting.default(20_000_000).describe("Bytes that are read a second; 0 for no limit"),
  })
  .prefault({});
