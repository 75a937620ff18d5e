import { setTimeout as wait } from "node:timers/promises";
import type { Surroundings } from "../command.ts";
import { formatFreed } from "../output/collections.ts";
import { createLiveLines } from "../output/progress/live-lines.ts";
import { type RunAnswer, runAnswer } from "./collection-answers.ts";
import type { Management } from "./management.ts";

const askEveryMs = 250;
/** Where nothing can be drawn over, a line stands for so long. */
const tellEveryMs = 10_000;

type Watching = Pick<Surroundings, "stderr" | "signal">;

/**
 * Has a registry begin a run, shows how far it is, and resolves when it has ended. One that goes on already is waited
 * for, and followed by another if it has another grace time.
 */
export async function followRun(
  management: Management,
  graceSeconds: number | undefined,
  watching: Watching,
): Promise<RunAnswer> {
  for (;;) {
    const begun = await management.ask(
      { method: "POST", path: "/gc/runs", body: { graceSeconds }, action: "collect what nothing needs" },
      runAnswer,
    );
    const ended = await untilEnded(management, begun, watching);
    if (graceSeconds === undefined || ended.graceSeconds === graceSeconds) return ended;
  }
}

async function untilEnded(
  management: Management,
  begun: RunAnswer,
  { stderr, signal }: Watching,
): Promise<RunAnswer> {
  const lines = stderr.isTerminal ? createLiveLines(stderr) : undefined;
  let run = begun;
  let told = performance.now();
  while (run.endedAt === undefined) {
    const text = `gave back ${formatFreed(run)} so far`;
    if (lines) lines.draw([text]);
    else if (performance.now() - told > tellEveryMs) {
      stderr.write(`${text}\n`);
      told = performance.now();
    }
    await wait(askEveryMs, undefined, { signal });
    run = await management.ask(
      { method: "GET", path: `/gc/runs/${run.id}`, action: "tell how far the run is" },
      runAnswer,
    );
  }
  lines?.draw([]);
  return run;
}
