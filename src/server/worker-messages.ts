import type { Snapshot } from "./metrics.ts";
import type { Settings } from "./settings/settings.ts";

/** What a worker process is told when it starts, as JSON in `BERTH_WORKER`. */
export interface WorkerOrder {
  readonly settings: Settings;
  readonly slot: number;
  readonly slots: number;
}

/**
 * Between the supervisor and its workers. `asker` is the slot of the worker that wants to know. Before a worker reports,
 * it writes down what was pulled from it.
 */
export type WorkerMessage =
  | { readonly kind: "ready"; readonly address: string }
  | { readonly kind: "failed"; readonly reason: string; readonly wrongSettings: boolean }
  | { readonly kind: "collect"; readonly asker: number; readonly id: number }
  | { readonly kind: "report"; readonly asker: number; readonly id: number; readonly snapshot: Snapshot }
  | { readonly kind: "collected"; readonly id: number; readonly snapshots: readonly Snapshot[] };
