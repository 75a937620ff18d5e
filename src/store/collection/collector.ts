import { setTimeout as wait } from "node:timers/promises";
import type { FileRemoval } from "../blobs/removal.ts";
import type { CollectionMetadata, CollectionOutcome, RemovedFile } from "../metadata/collection.ts";

/** What a collector stands on. */
export interface CollectorOptions {
  readonly metadata: CollectionMetadata;
  readonly files: FileRemoval;
  /** What was removed can be brought back for so long, in milliseconds. */
  readonly graceMs: number;
  /** The number of this worker process. */
  readonly slot: number;
  /** Told why a run failed; the next one goes on. */
  readonly troubled: (what: string) => void;
  /** Called when a run has ended. */
  readonly ended?: () => void;
}

/** How a run is begun. */
export interface RunOptions {
  /** Who asks. */
  readonly actor: string;
  /** Instead of the store's own; in milliseconds. */
  readonly graceMs?: number;
}

/** A run that goes on. */
export interface StartedRun {
  readonly id: number;
  /** False when it is one that somebody else began: there is one at a time. */
  readonly isNew: boolean;
  /** Resolves when this process has ended it; at once when another one runs it. */
  readonly ended: Promise<void>;
}

/** Gives back what nothing needs any more, beside requests. */
export interface Collector {
  readonly graceMs: number;
  /** Begins a run. */
  start(options: RunOptions): Promise<StartedRun>;
  /** Whether a run would find something to do. */
  hasWork(): Promise<boolean>;
  /** Lets the step that goes on end, and begins no other. */
  close(): Promise<void>;
}

/** A run of this process. */
interface Run {
  readonly id: number;
  /** The last file that could not be removed, by id: this run looks only behind it. The next one tries it again. */
  stuck: number;
}

/** Files of one step. */
const filesAtOnce = 64;
/** For each millisecond of work, so many are left to requests. */
const restFactor = 4;
const leastRestMs = 5;
const mostRestMs = 250;

export function createCollector(options: CollectorOptions): Collector {
  const { metadata, files, graceMs, slot, troubled } = options;
  const closing = new AbortController();
  let running: Promise<void> = Promise.resolve();

  /** @returns whether there are more; undefined when somebody holds the store */
  const removeFiles = async (run: Run): Promise<boolean | undefined> => {
    const found = await metadata.listRemovedFiles(filesAtOnce, run.stuck);
    if (found.length === 0) return false;
    const stuck: RemovedFile[] = [];
    const taken = await metadata.withdrawFiles(found, (file) => {
      const withdrawal = files.take(file);
      if (withdrawal === "stuck") stuck.push(file);
      return withdrawal;
    });
    if (taken === undefined) return undefined;
    const gone = new Set(await files.erase(taken));
    await metadata.forgetFiles(run.id, [...gone]);
    stuck.push(...taken.filter((file) => !gone.has(file)));
    run.stuck = Math.max(run.stuck, ...stuck.map(({ id }) => id));
    return found.length === filesAtOnce;
  };

  const step = async (run: Run, grace: number): Promise<"more" | "done" | "held"> => {
    const decided = await metadata.collect(run.id, { now: Date.now(), graceMs: grace });
    const removed = decided.held ? undefined : await removeFiles(run);
    if (removed === undefined) return "held";
    return decided.more || removed ? "more" : "done";
  };

  const run = async (id: number, grace: number): Promise<void> => {
    let outcome: CollectionOutcome = "stopped";
    const going: Run = { id, stuck: 0 };
    try {
      while (!closing.signal.aborted) {
        const began = performance.now();
        const state = await step(going, grace);
        if (state !== "more") {
          outcome = state;
          break;
        }
        await rest(performance.now() - began, closing.signal);
      }
    } catch (error) {
      outcome = "failed";
      troubled(`a collection failed and is tried again: ${error instanceof Error ? error.message : error}`);
    }
    await metadata.endRun(id, outcome).catch((error) => troubled(String(error)));
    options.ended?.();
  };

  const start: Collector["start"] = async ({ actor, graceMs: grace = graceMs }) => {
    const started = await metadata.startRun({ actor, graceMs: grace, slot });
    if (!started.isNew) return { ...started, ended: Promise.resolve() };
    const ended = run(started.id, grace);
    running = Promise.all([running, ended]).then(() => {});
    return { ...started, ended };
  };

  return {
    graceMs,
    start,
    hasWork: async () => metadata.hasWork({ now: Date.now(), graceMs }),
    close() {
      closing.abort();
      return running;
    },
  };
}

/** Leaves the disk and the metadata to requests for some time. */
async function rest(workedMs: number, signal: AbortSignal): Promise<void> {
  const restMs = Math.min(mostRestMs, Math.max(leastRestMs, workedMs * restFactor));
  await wait(restMs, undefined, { signal }).catch(() => {}); // only when it shall stop
}
