import { statfs } from "node:fs/promises";
import { z } from "zod";
import { type Operation, operation } from "./operations.ts";

const bytes = z.number().int();

/** The disk that the data is on. */
export function createDiskOperations(folder: string): readonly Operation[] {
  return [
    operation({
      method: "GET",
      path: "/disk",
      summary: "How much room there is on the disk that the data is on",
      response: z.object({ freeBytes: bytes, totalBytes: bytes }),
      need: () => ({ kind: "registry", action: "read" }),
      async run() {
        const { bavail, blocks, bsize } = await statfs(folder);
        return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
      },
    }),
  ];
}
