import { z } from "zod";
import type { Metadata } from "../../store/metadata/metadata.ts";
import { type Operation, operation } from "./operations.ts";
import { pageQuery } from "./schemas.ts";

const bytes = z.number().int();

/** Figures of the store. */
export function createStatisticsOperations(metadata: Metadata): readonly Operation[] {
  return [
    operation({
      method: "GET",
      path: "/stats",
      summary: "What was sent to each repository, what did not have to be, and sums over the whole store",
      query: z.strictObject(pageQuery),
      response: z.object({
        totals: z.object({
          repositories: z.number().int(),
          blobs: z.number().int(),
          blobBytes: bytes,
          bytesReceived: bytes,
          bytesSaved: bytes,
        }),
        repositories: z.array(z.object({ repository: z.string(), bytesReceived: bytes, bytesSaved: bytes })),
        next: z.string().optional(),
      }),
      need: () => ({ kind: "registry", action: "read" }),
      async run({ query: { n, last = "" } }) {
        const page = await metadata.listStatistics({ limit: n, after: last });
        return {
          totals: { ...(await metadata.totals()) },
          repositories: [...page.items],
          ...(page.next === undefined ? {} : { next: page.next }),
        };
      },
    }),
  ];
}
