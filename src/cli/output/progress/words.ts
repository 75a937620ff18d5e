import type { Transfer } from "./transfers.ts";

/** What the states of a layer are called while something is done with an image. */
export interface ProgressWords {
  readonly waiting: string;
  readonly bytes: string;
  readonly exists: string;
  readonly done: string;
}

/** Docker's words. */
export const pullWords: ProgressWords = {
  waiting: "Waiting",
  bytes: "Downloading",
  exists: "Already exists",
  done: "Pull complete",
};
export const pushWords: ProgressWords = {
  waiting: "Waiting",
  bytes: "Pushing",
  exists: "Layer already exists",
  done: "Pushed",
};
export const copyWords: ProgressWords = {
  waiting: "Waiting",
  bytes: "Copying",
  exists: "Already exists",
  done: "Copied",
};

/** A layer's state in words: `Layer already exists`, `Mounted from library/alpine`. */
export function describeState({ state, from }: Transfer, words: ProgressWords): string {
  return state === "mounted" ? `Mounted from ${from}` : words[state];
}

/** What docker calls a layer in lists. */
export function shortName({ descriptor }: Transfer): string {
  return descriptor.digest.slice(descriptor.digest.indexOf(":") + 1).slice(0, 12);
}
