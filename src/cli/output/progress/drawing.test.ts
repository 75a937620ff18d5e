import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Descriptor } from "../../../oci/descriptors.ts";
import { mediaTypes } from "../../../oci/media-types.ts";
import { parseRepositoryName } from "../../../oci/names.ts";
import type { CopyEvent } from "../../../registry/copy/events.ts";
import { digestOf } from "../../../registry/hash.ts";
import { drawTransfers } from "./drawing.ts";
import { type Transfers, withEvent } from "./transfers.ts";
import { copyWords, pullWords, pushWords } from "./words.ts";

const from = parseRepositoryName("library/alpine");

function layer(seed: number, size = 10_000_000, mediaType: string = mediaTypes.ociLayerGzip): Descriptor {
  return { mediaType, digest: digestOf(new Uint8Array([seed])), size };
}

function after(events: readonly (readonly [number, CopyEvent])[]): Transfers {
  return events.reduce<Transfers>((state, [atMs, event]) => withEvent(state, event, atMs), new Map());
}

describe("drawTransfers", () => {
  const [a, b, c, d, e] = [layer(1), layer(2), layer(3), layer(4), layer(5)] as const;
  const mixed = after([
    [0, { state: "waiting", descriptor: a }],
    [0, { state: "waiting", descriptor: b }],
    [0, { state: "waiting", descriptor: c }],
    [0, { state: "waiting", descriptor: d }],
    [0, { state: "waiting", descriptor: e }],
    [0, { state: "waiting", descriptor: layer(6, 900, mediaTypes.ociConfig) }],
    [0, { state: "waiting", descriptor: layer(7, 900, mediaTypes.ociManifest) }],
    [0, { state: "exists", descriptor: b }],
    [0, { state: "mounted", descriptor: c, from }],
    [0, { state: "bytes", descriptor: d, bytes: 0 }],
    [1000, { state: "bytes", descriptor: d, bytes: 2_500_000 }],
    [0, { state: "bytes", descriptor: e, bytes: 1 }],
    [0, { state: "done", descriptor: e }],
  ]);

  test("drawTransfers shows each layer's state, in the order of the image", () => {
    expect(drawTransfers(mixed, pushWords, { columns: 100, rows: 24, nowMs: 2000 })).toEqual([
      "4bf5122f3445: Waiting",
      "dbc1b4c900ff: Layer already exists",
      "084fed08b978: Mounted from library/alpine",
      "e52d9c508c50: Pushing [==========>                             ] 2.5MB/10MB  1.25MB/s",
      "e77b9a9ae9e3: Pushed",
    ]);
  });

  test.each([
    [80, "e52d9c508c50: Downloading [=======>                       ] 2.5MB/10MB  2.5MB/s"],
    [60, "e52d9c508c50: Downloading [==>        ] 2.5MB/10MB  2.5MB/s"],
    [50, "e52d9c508c50: Downloading [==>       ] 2.5MB/10MB"],
    [40, "e52d9c508c50: Downloading 2.5MB/10MB"],
    [30, "e52d9c508c50: 25%"],
    [10, "e52d9c508"],
    [1, "e"],
  ])("drawTransfers leaves out what does not fit into %p columns", (columns, line) => {
    expect(drawTransfers(mixed, pullWords, { columns, rows: 24, nowMs: 1000 })[3]).toBe(line);
  });

  test("drawTransfers shows a speed of 0 when nothing has passed for a while", () => {
    const [, , , line] = drawTransfers(mixed, pushWords, { columns: 100, rows: 24, nowMs: 60_000 });
    expect(line).toEndWith("2.5MB/10MB  0B/s");
  });

  test("drawTransfers counts in a last line what does not fit on the screen, and shows what is under way", () => {
    const states = (["done", "done", "bytes", "waiting", "bytes", "waiting"] as const).map((state, at) =>
      state === "bytes" ? { state, descriptor: layer(at), bytes: 1 } : { state, descriptor: layer(at) },
    );
    const lines = drawTransfers(after(states.map((event) => [0, event])), copyWords, {
      columns: 80,
      rows: 6,
      nowMs: 0,
    });
    expect(lines.map((line) => line.replace(/^\w{12}: /, "").replace(/ \[.*/, ""))).toEqual([
      "Copying",
      "Waiting",
      "Copying",
      "3 more: 2 done, 1 waiting",
    ]);
  });

  test("drawTransfers never draws a line that fills the width nor more lines than fit, whatever happened", () => {
    const events = fc
      .record({
        seed: fc.integer({ min: 0, max: 40 }),
        state: fc.constantFrom("waiting", "bytes", "exists", "mounted", "done"),
        bytes: fc.nat(20_000_000),
        atMs: fc.nat(100_000),
      })
      .map(({ seed, state, bytes, atMs }): [number, CopyEvent] => {
        const descriptor = layer(seed, seed * 1_000_000);
        const event = state === "bytes" ? { state, descriptor, bytes } : { state, descriptor, from };
        return [atMs, event as CopyEvent]; // safe: `from` is only more than some need
      });
    const canvas = { columns: fc.integer({ min: 2, max: 200 }), rows: fc.integer({ min: 3, max: 50 }) };
    fc.assert(
      fc.property(fc.array(events, { maxLength: 80 }), fc.record(canvas), (given, { columns, rows }) => {
        const lines = drawTransfers(after(given), pullWords, { columns, rows, nowMs: 100_000 });
        expect(lines.length).toBeLessThan(rows);
        for (const line of lines) expect(line.length).toBeLessThan(columns);
      }),
    );
  });
});
