import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { streamOf } from "../registry/streams.ts";
import { readEvents } from "./server-sent-events.ts";

const text =
  'retry: 2000\nid: 7\n\n: a comment\n\nid: 8\nevent: change\ndata: {"a":"é"}\n\ndata: one\ndata:two\n\nid: 9\n';

describe("readEvents", () => {
  test("readEvents gives each event once it is whole, however its bytes are cut", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 60 }), fc.boolean(), async (size, windows) => {
        const bytes = new TextEncoder().encode(windows ? text.replaceAll("\n", "\r\n") : text);
        const events = await Array.fromAsync(readEvents(streamOf(bytes, windows ? bytes.length : size)));
        expect(events).toEqual([
          { id: "7", data: undefined },
          { id: undefined, data: undefined },
          { id: "8", data: '{"a":"é"}' },
          { id: undefined, data: "one\ntwo" },
        ]);
      }),
    );
  });
});
