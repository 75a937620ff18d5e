import type { Output } from "../../terminal.ts";
import { writeJson } from "../json.ts";
import { createLiveLines } from "./live-lines.ts";

/** How far long work is: a line for people, and the same for programs. */
export interface WorkState {
  readonly text: string;
  readonly json: object;
}

/** Shows how long work goes on. */
export interface WorkProgress {
  /** Tells how far it is; shown now and then. */
  tell(state: () => WorkState): void;
  /** Prints something that stays. */
  say(state: WorkState): void;
  /** Shows nothing any more. To be called however the work ended. */
  end(): void;
}

/** How it is shown. */
export interface WorkProgressOptions {
  /** As JSON objects, one a line. */
  readonly json: boolean;
  /** Nothing but what is said. */
  readonly quiet: boolean;
}

/** How often it is told how far the work is: on a terminal, elsewhere, to programs. Milliseconds. */
const [liveMs, plainMs, jsonMs] = [100, 10_000, 1000];

/** Begins: one line that changes on a terminal, elsewhere a line every ten seconds, or JSON every second. */
export function createWorkProgress(output: Output, { json, quiet }: WorkProgressOptions): WorkProgress {
  const isLive = output.isTerminal && !json && !quiet;
  const lines = isLive ? createLiveLines(output) : undefined;
  const everyMs = json ? jsonMs : isLive ? liveMs : plainMs;
  let shown = isLive || json ? Number.NEGATIVE_INFINITY : performance.now();
  const print = (state: WorkState): void => {
    if (json) writeJson(output, state.json);
    else output.write(`${state.text}\n`);
  };
  return {
    tell(state) {
      if (quiet || performance.now() - shown < everyMs) return;
      shown = performance.now();
      const { text, json: value } = state();
      if (lines) lines.draw([text.slice(0, Math.max(1, output.columns - 1))]);
      else print({ text, json: value });
    },
    say(state) {
      lines?.draw([]);
      print(state);
    },
    end: () => lines?.draw([]),
  };
}
