import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { bytesFor, failureOf } from "../registry/contract/fixtures.ts";
import { bytesOf, streamOf } from "../registry/streams.ts";
import { createSource, createWindow } from "./sources.ts";

const bytes = bytesFor(5, 1000);

describe("createWindow", () => {
  test("createWindow gives any bytes again that are not further back than its limit", async () => {
    const anyRead = fc.record({ back: fc.nat(400), take: fc.nat(300) });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 200 }), fc.array(anyRead), async (piece, reads) => {
        const limit = 300;
        const source = createWindow(streamOf(bytes, piece), limit);
        let furthest = 0;
        for (const { back, take } of reads) {
          const offset = Math.max(0, furthest - back);
          const stream = await source.from(offset);
          if (!stream) {
            expect(furthest - offset).toBeGreaterThan(limit);
            continue;
          }
          const reader = stream.getReader();
          let at = offset;
          while (at < offset + take) {
            const { value, done } = await reader.read();
            if (done) break;
            expect(value).toEqual(bytes.subarray(at, at + value.byteLength));
            at += value.byteLength;
          }
          furthest = Math.max(furthest, at);
        }
        const rest = await source.from(furthest);
        expect(rest && (await bytesOf(rest))).toEqual(bytes.subarray(furthest));
        expect(source.size).toBe(1000);
      }),
    );
  });

  test("createWindow passes the body's error on, and cancels the body", async () => {
    const broken = new Error("broken");
    const source = createWindow(
      new ReadableStream({
        pull() {
          throw broken;
        },
      }),
      100,
    );
    const stream = await source.from(0);
    expect(stream && (await failureOf(bytesOf(stream)))).toBe(broken);
    const reasons: unknown[] = [];
    const other = createWindow(new ReadableStream({ cancel: (given) => void reasons.push(given) }), 100);
    other.cancel(broken);
    expect(reasons).toEqual([broken]);
  });
});

describe("createSource", () => {
  test("createSource reads the body first and then what is opened again", async () => {
    const opened: number[] = [];
    const source = createSource(streamOf(bytes), undefined, {
      reopen: async (offset) => {
        opened.push(offset);
        return streamOf(bytes.subarray(offset));
      },
    });
    const first = await source.from(0);
    expect(first && (await bytesOf(first))).toEqual(bytes);
    expect(source.size).toBe(1000);
    const again = await source.from(400);
    expect(again && (await bytesOf(again))).toEqual(bytes.subarray(400));
    expect(opened).toEqual([400]);
  });
});
