import { expect, test } from "bun:test";
import { recordOutput } from "../../../../tests/fixtures/command-lines.ts";
import { mediaTypes } from "../../../oci/media-types.ts";
import { parseRepositoryName } from "../../../oci/names.ts";
import type { CopyEvent } from "../../../registry/copy/events.ts";
import { digestOf } from "../../../registry/hash.ts";
import { createProgress, type ProgressOptions } from "./progress.ts";
import { pushWords } from "./words.ts";

const bytes = (seed: number) => new Uint8Array([seed]);
const layer = { mediaType: mediaTypes.ociLayerGzip, digest: digestOf(bytes(1)), size: 10 };
const other = { ...layer, digest: digestOf(bytes(2)) };
const config = { ...layer, mediaType: mediaTypes.ociConfig, digest: digestOf(bytes(3)) };
const events: readonly CopyEvent[] = [
  { state: "waiting", descriptor: config },
  { state: "waiting", descriptor: layer },
  { state: "waiting", descriptor: other },
  { state: "mounted", descriptor: other, from: parseRepositoryName("a/b") },
  { state: "bytes", descriptor: layer, bytes: 5 },
  { state: "bytes", descriptor: layer, bytes: 10 },
  { state: "done", descriptor: layer },
  { state: "done", descriptor: config },
];

function play(options: Omit<ProgressOptions, "words">, columns?: number): string {
  const { output, text } = recordOutput(columns);
  const progress = createProgress(output, { words: pushWords, ...options });
  for (const event of events) progress.onEvent(event);
  progress.end();
  return text();
}

test("createProgress prints a line for each layer that is through when nobody looks on", () => {
  expect(play({})).toBe("dbc1b4c900ff: Mounted from a/b\n4bf5122f3445: Pushed\n");
});

test("createProgress prints nothing when it shall be quiet", () => {
  expect(play({ quiet: true })).toBe("");
  expect(play({ quiet: true }, 80)).toBe("");
});

test("createProgress prints one JSON object a line, of bytes not more than some each second", () => {
  const lines = play({ json: true }, 80).trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { state: "waiting", ...config },
    { state: "waiting", ...layer },
    { state: "waiting", ...other },
    { state: "mounted", ...other, from: "a/b" },
    { state: "bytes", ...layer, bytes: 5 },
    { state: "done", ...layer },
    { state: "done", ...config },
  ]);
});

test("createProgress draws the last state on a terminal when it ends", () => {
  expect(play({}, 80)).toBe("\u001b[J4bf5122f3445: Pushed\ndbc1b4c900ff: Mounted from a/b\n");
});
