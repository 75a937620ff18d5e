import type { FileRemoval } from "../blobs/removal.ts";
import type {
  CollectionMetadata,
  CollectionOutcome,
  FileWithdrawal,
  RemovedFile,
} from "../metadata/collection.ts";
import { rest } from "./rests.ts";

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
  /** Milliseconds since 1970, for tests. */
  readonly now?: () => number;
  /** What is done between steps, for tests. */
  readonly rest?: typeof rest;
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
  /** Files that the last step removed, and that are not counted yet. */
  gone: readonly RemovedFile[];
  /** The last file that could not be removed, by id: this run looks only behind it. The next one tries it again. */
  stuck: number;
  /** Whether another process wrote beside the last step. */
  isBeside: boolean;
}

/** What comes after a step: another one, or none. */
type RunState = "more" | "done" | "held";

/**
 * Files of one step. Few, as a push has to wait for what the file system writes down of the removals before it: then
 * every push beside it waits a little, and none for long.
 */
const filesAtOnce = 4;

export function createCollector(options: CollectorOptions): Collector {
  const { metadata, files, graceMs, slot, troubled, now = Date.now, rest: restAfter = rest } = options;
  const closing = new AbortController();
  let running: Promise<void> = Promise.resolve();

  const step = async (run: Run, grace: number): Promise<RunState> => {
    const { gone } = run;
    const stuck: RemovedFile[] = [];
    const take = (file: RemovedFile): FileWithdrawal => {
      const withdrawal = files.take(file);
      if (withdrawal === "stuck") stuck.push(file);
      return withdrawal;
    };
    const rules = { now: now(), graceMs: grace };
    const done = await metadata.collect(run.id, rules, { gone, take, after: run.stuck, limit: filesAtOnce });
    run.gone = await files.erase(done.taken);
    const erased = new Set(run.gone);
    stuck.push(...done.taken.filter((file) => !erased.has(file)));
    run.stuck = Math.max(run.stuck, ...stuck.map(({ id }) => id));
    run.isBeside = done.isBeside;
    if (done.held) return "held";
    return done.more || run.gone.length > 0 ? "more" : "done";
  };

  const run = async (id: number, grace: number): Promise<void> => {
    let outcome: CollectionOutcome = "stopped";
    const going: Run = { id, gone: [], stuck: 0, isBeside: false };
    try {
      while (!closing.signal.aborted) {
        const began = performance.now();
        const state = await step(going, grace);
        if (state !== "more") {
          outcome = state;
          break;
        }
        await restAfter(performance.now() - began, going.isBeside, closing.signal);
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
    hasWork: async () => metadata.hasWork({ now: now(), graceMs }),
    close() {
      closing.abort();
      return running;
    },
  };
}
