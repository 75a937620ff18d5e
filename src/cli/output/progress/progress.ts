import type { Digest } from "../../../oci/digests.ts";
import type { CopyEvent } from "../../../registry/copy/events.ts";
import type { Output } from "../../terminal.ts";
import { writeJson } from "../json.ts";
import { drawTransfers } from "./drawing.ts";
import { createLiveLines } from "./live-lines.ts";
import { isShown, type Transfers, withEvent } from "./transfers.ts";
import { describeState, type ProgressWords, shortName } from "./words.ts";

/** Shows what a copy does. */
export interface Progress {
  onEvent(event: CopyEvent): void;
  /** Shows the last state, and nothing any more. To be called however the copy ended. */
  end(): void;
}

/** How progress is shown. */
export interface ProgressOptions {
  readonly words: ProgressWords;
  /** Every event as a JSON object in a line of its own. */
  readonly json?: boolean;
  /** Nothing. */
  readonly quiet?: boolean;
}

const drawEveryMs = 100;
const tellEveryMs = 500;

/**
 * Begins to show what a copy does: bars on a terminal, elsewhere a line for each layer when it is through, or JSON.
 * On a terminal nothing else may be printed until the end.
 */
export function createProgress(output: Output, options: ProgressOptions): Progress {
  if (options.json) return jsonProgress(output);
  if (options.quiet) return { onEvent: () => {}, end: () => {} };
  return output.isTerminal ? liveProgress(output, options.words) : plainProgress(output, options.words);
}

function jsonProgress(output: Output): Progress {
  const told = new Map<Digest, number>();
  return {
    onEvent(event) {
      const { state, descriptor } = event;
      const { digest, mediaType, size } = descriptor;
      if (state === "bytes") {
        const nowMs = performance.now();
        if (nowMs - (told.get(digest) ?? Number.NEGATIVE_INFINITY) < tellEveryMs) return;
        told.set(digest, nowMs);
        return writeJson(output, { state, digest, mediaType, size, bytes: event.bytes });
      }
      const from = state === "mounted" ? { from: event.from } : {};
      writeJson(output, { state, digest, mediaType, size, ...from });
    },
    end() {},
  };
}

function plainProgress(output: Output, words: ProgressWords): Progress {
  let transfers: Transfers = new Map();
  return {
    onEvent(event) {
      if (event.state === "bytes" || event.state === "waiting" || !isShown(event.descriptor)) return;
      transfers = withEvent(transfers, event, 0);
      const transfer = transfers.get(event.descriptor.digest);
      if (transfer) output.write(`${shortName(transfer)}: ${describeState(transfer, words)}\n`);
    },
    end() {},
  };
}

function liveProgress(output: Output, words: ProgressWords): Progress {
  const lines = createLiveLines(output);
  let transfers: Transfers = new Map();
  const draw = (): void => {
    const { columns, rows } = output;
    lines.draw(drawTransfers(transfers, words, { columns, rows, nowMs: performance.now() }));
  };
  const timer = setInterval(draw, drawEveryMs);
  const forgetResizes = output.onResize(draw);
  return {
    onEvent(event) {
      transfers = withEvent(transfers, event, performance.now());
    },
    end() {
      clearInterval(timer);
      forgetResizes();
      draw();
    },
  };
}
