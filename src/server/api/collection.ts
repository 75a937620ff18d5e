import { z } from "zod";
import { parseDigest } from "../../oci/digests.ts";
import { RegistryError } from "../../oci/errors.ts";
import { explain } from "../../store/collection/explanation.ts";
import { planCollection } from "../../store/collection/plan.ts";
import { type CollectionHold, type CollectionRun, mostCounted } from "../../store/metadata/collection.ts";
import type { Store } from "../../store/store.ts";
import type { Collecting } from "../upkeep/collection.ts";
import { type Operation, operation } from "./operations.ts";

const count = z.number().int();
const time = z.string();
const collected = { manifests: count, links: count, blobs: count, bytes: count };
const runAnswer = z.object({
  id: count,
  actor: z.string(),
  graceSeconds: z.number(),
  startedAt: time,
  endedAt: time.optional().describe("Absent while it runs"),
  outcome: z.enum(["done", "held", "stopped", "failed", "interrupted"]).optional(),
  ...collected,
});
const holdAnswer = z.object({ holder: z.string(), until: time });
const everySeconds = z
  .number()
  .optional()
  .describe("How often runs begin by themselves, if there is something to do; absent if never");
const graceSeconds = z.coerce
  .number()
  .min(0)
  .max(10 * 365 * 86_400)
  .optional()
  .describe("Instead of the settings': what was deleted before can no longer be brought back");

/** How long an answer waits for the end of a run: most are over by then. */
const patienceMs = 1000;
const askEveryMs = 20;

/** What nothing needs any more: what waits, what would go, and a run that lets it go. */
export function createCollectionOperations(store: Store, collecting: Collecting): readonly Operation[] {
  const { metadata, collector } = store;
  const { collection } = metadata;
  const rulesOf = (grace: number | undefined) => ({
    now: Date.now(),
    graceMs: grace === undefined ? collector.graceMs : grace * 1000,
  });
  const scheduled = collecting.everyMs === undefined ? {} : { everySeconds: collecting.everyMs / 1000 };
  const runOf = async (id: number): Promise<z.input<typeof runAnswer>> => {
    const run = await collection.getRun(id);
    if (run) return toAnswer(run);
    throw new RegistryError("REQUEST_INVALID", "there is no such run: the latest are in GET /api/v1/gc");
  };
  return [
    operation({
      method: "GET",
      path: "/gc",
      summary: "What waits for collection, who holds it up, and the latest runs",
      response: z.object({
        graceSeconds: z.number(),
        removedManifests: count.describe("Deleted manifests that can be brought back"),
        oldestRemoval: time.optional(),
        reviews: count.describe("Blobs that are reviewed when their time comes, in each repository"),
        oldestReview: time.optional().describe("When the first of them is"),
        files: count.describe("Files that are to be removed"),
        fileBytes: count,
        mostCounted: count.describe("None of these counts goes further"),
        holds: z.array(holdAnswer),
        everySeconds,
        total: z.object(collected).describe("What all runs gave back"),
        runs: z.array(runAnswer),
      }),
      need: () => ({ kind: "registry", action: "read" }),
      async run() {
        const { oldestRemoval, oldestReview, holds, total, ...backlog } = await collection.backlog();
        return {
          ...{ ...backlog, mostCounted, total: { ...total }, graceSeconds: collector.graceMs / 1000 },
          ...(oldestReview ? { oldestReview: oldestReview.toISOString() } : {}),
          ...(oldestRemoval ? { oldestRemoval: oldestRemoval.toISOString() } : {}),
          holds: holds.map(toHoldAnswer),
          ...scheduled,
          runs: (await collection.listRuns(10)).map(toAnswer),
        };
      },
    }),
    operation({
      method: "GET",
      path: "/gc/plan",
      summary: "What a run would remove now",
      query: z.strictObject({ graceSeconds }),
      response: z.object({
        ...{ manifests: count, blobs: count, bytes: count },
        first: z.array(z.object({ digest: z.string(), size: count })).describe("The first of the blobs"),
      }),
      need: () => ({ kind: "registry", action: "read" }),
      async run({ query }) {
        const { first, ...plan } = await planCollection(collection, rulesOf(query.graceSeconds));
        return { ...plan, first: [...first] };
      },
    }),
    operation({
      method: "POST",
      path: "/gc/runs",
      summary: "Begins a run, or tells the one that goes on; it is followed in /gc/runs/{id}",
      body: z.strictObject({ graceSeconds }),
      response: runAnswer,
      need: () => ({ kind: "registry", action: "write" }),
      async run({ body }, { actor }) {
        const { graceMs } = rulesOf(body.graceSeconds);
        const { id } = await collecting.start({ actor, graceMs });
        const end = performance.now() + patienceMs;
        let run = await runOf(id);
        // Asked again and again, as it may be another process that runs it.
        while (run.endedAt === undefined && performance.now() < end) {
          await Bun.sleep(askEveryMs);
          run = await runOf(id);
        }
        return run;
      },
    }),
    operation({
      method: "GET",
      path: "/gc/runs/{id}",
      summary: "How far a run is, or what it gave back",
      params: z.strictObject({ id: z.string() }),
      response: runAnswer,
      need: () => ({ kind: "registry", action: "read" }),
      run: ({ params }) => runOf(Number(params.id)),
    }),
    operation({
      method: "GET",
      path: "/gc/objects/{digest}",
      summary: "What keeps a manifest or blob, or when it goes",
      params: z.strictObject({ digest: z.string() }),
      response: z.object({
        objects: z.array(
          z.object({
            ...{ digest: z.string(), kind: z.enum(["manifest", "blob"]) },
            ...{ state: z.enum(["kept", "goes", "unknown"]), at: time.optional(), size: count.optional() },
            isLost: z.boolean().optional().describe("A blob's bytes are known to be lost"),
            reasons: z.array(z.object({ repository: z.string(), why: z.string(), until: time.optional() })),
          }),
        ),
        holds: z.array(holdAnswer).describe("Who keeps everything until then"),
        everySeconds,
      }),
      need: () => ({ kind: "registry", action: "read" }),
      async run({ params }) {
        const { holds } = await collection.backlog();
        const objects = await explain(collection, parseDigest(params.digest), rulesOf(undefined));
        return {
          objects: objects.map(({ at, reasons, ...object }) => ({
            ...object,
            ...(at ? { at: at.toISOString() } : {}),
            reasons: reasons.map(({ until, ...reason }) => ({
              ...reason,
              ...(until ? { until: until.toISOString() } : {}),
            })),
          })),
          holds: holds.map(toHoldAnswer),
          ...scheduled,
        };
      },
    }),
  ];
}

const toHoldAnswer = ({ holder, until }: CollectionHold) => ({ holder, until: until.toISOString() });

function toAnswer({ graceMs, startedAt, endedAt, ...run }: CollectionRun): z.input<typeof runAnswer> {
  return {
    ...{ ...run, graceSeconds: graceMs / 1000, startedAt: startedAt.toISOString() },
    ...(endedAt ? { endedAt: endedAt.toISOString() } : {}),
  };
}
