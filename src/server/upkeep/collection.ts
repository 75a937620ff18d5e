import { chainHash } from "../../access/audit-chain.ts";
import type { RunOptions, StartedRun } from "../../store/collection/collector.ts";
import type { AuditEntry } from "../../store/metadata/audit.ts";
import type { CollectionRun } from "../../store/metadata/collection.ts";
import type { Keeping, Store } from "../../store/store.ts";
import type { Log } from "../log.ts";
import type { Settings } from "../settings/settings.ts";

/** Collections as the server lets them run. */
export interface Collecting {
  /** Begins a run for somebody, unless one goes on already. */
  start(options: RunOptions): Promise<StartedRun>;
  /** How often it is looked whether there is something to do; absent if never. */
  readonly everyMs?: number;
  /** Begins no more by itself. */
  stop(): void;
}

export interface CollectingOptions {
  readonly store: Store;
  readonly settings: Settings;
  readonly log: Log;
  /** Whether this process looks from time to time: one of several does. */
  readonly isFirst: boolean;
  /** Whether there is a record of who did what. */
  readonly hasRecord: boolean;
}

/** For how long the store keeps what nothing needs: a blob without a manifest as long as an upload may stand still. */
export function keepingOf({ gc, "upload-expiry-hours": hours }: Settings): Keeping {
  return { graceMs: gc.grace, toldMs: gc.lease, uploadedMs: Math.max(gc.lease, hours * 3_600_000) };
}

/** Who runs collections that nobody asked for. */
const scheduler = "berth";

/** Lets collections run: from time to time, and when somebody asks for one. */
export function createCollecting(options: CollectingOptions): Collecting {
  const { store, settings, log, isFirst } = options;
  const { collector, metadata } = store;
  const start: Collecting["start"] = async (run) => {
    const started = await collector.start(run);
    if (started.isNew) {
      started.ended
        .then(() => metadata.collection.getRun(started.id))
        .then((ended) => ended && tell(options, ended))
        .catch((error) => log.error({ err: error }, "could not write the record"));
    }
    return started;
  };
  const look = async (): Promise<void> => {
    try {
      if (await collector.hasWork()) await start({ actor: scheduler });
    } catch (error) {
      log.error({ err: error }, "could not begin a collection");
    }
  };
  const { every } = settings.gc;
  const schedule = every === "never" ? {} : { everyMs: Math.max(1000, every) };
  const timer = isFirst && schedule.everyMs ? setInterval(look, schedule.everyMs) : undefined;
  return { start, ...schedule, stop: () => clearInterval(timer) };
}

/** Logs and records what a run gave back, if it did. */
async function tell({ store, log, hasRecord }: CollectingOptions, run: CollectionRun): Promise<void> {
  const { actor, outcome, manifests, links, blobs, bytes } = run;
  if (manifests + links + blobs === 0 && actor === scheduler) return;
  const collected = { manifests, links, blobs, bytes };
  log.info({ actor, outcome, ...collected }, "collected what nothing needs");
  if (!hasRecord) return;
  const detail = JSON.stringify({ outcome, ...collected });
  const entry: AuditEntry = {
    ...{ at: Date.now(), actor, credential: "none", address: "", action: "gc.run" },
    ...{ outcome: "done", subject: `run ${run.id}`, detail },
  };
  await store.metadata.audit.append([entry], chainHash);
}
