import { describe, expect, test } from "bun:test";
import { bodyOf, bytesFor, errorOf, failureOf, heldBody } from "./contract/fixtures.ts";
import { bytesOf, readBody, streamOf } from "./streams.ts";

const bytes = bytesFor(1, 1000);

describe("readBody", () => {
  test("gives all pieces when as many bytes come as announced", async () => {
    const sizes: number[] = [];
    await readBody(streamOf(bytes, 400), (chunk) => sizes.push(chunk.byteLength), { size: 1000 });
    expect(sizes).toEqual([400, 400, 200]);
  });

  test("gives what was announced and cancels when more comes", async () => {
    let taken = 0;
    let cancelled = false;
    const take = (chunk: Uint8Array): void => {
      taken += chunk.byteLength;
    };
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(bytes.slice(0, 300)),
      cancel() {
        cancelled = true;
      },
    });
    await errorOf(readBody(body, take, { size: 1000 }), "SIZE_INVALID");
    expect(taken).toBe(1000);
    expect(cancelled).toBe(true);
  });

  test("quotes both numbers when fewer bytes come", async () => {
    const error = await errorOf(
      readBody(streamOf(bytes), () => {}, { size: 1001 }),
      "SIZE_INVALID",
    );
    expect(error.message).toContain("1000");
    expect(error.message).toContain("1001");
  });

  test("throws the body's error on when it breaks off", async () => {
    const broken = new Error("broken");
    const sizes: number[] = [];
    const read = readBody(bodyOf(bytes, broken), (chunk) => sizes.push(chunk.byteLength));
    expect(await failureOf(read)).toBe(broken);
    expect(sizes).toEqual([1000]);
  });

  test("throws the signal's reason when it aborts while a read waits, or has before", async () => {
    const reason = new Error("enough");
    const stop = new AbortController();
    const { body, held } = heldBody(bytes);
    void held.then(() => stop.abort(reason));
    expect(await failureOf(readBody(body, () => {}, { signal: stop.signal }))).toBe(reason);
    expect(await failureOf(readBody(streamOf(bytes), () => {}, { signal: stop.signal }))).toBe(reason);
  });
});

test("streamOf gives copies, so that its reader cannot change what is stored", async () => {
  const reader = streamOf(bytes).getReader();
  const { value } = await reader.read();
  value?.fill(0);
  await reader.cancel();
  expect(bytes).toEqual(bytesFor(1, 1000));
});

test("bytesOf joins what a stream gives when it gives nothing, one piece or many", async () => {
  expect(await bytesOf(bodyOf())).toEqual(new Uint8Array(0));
  expect(await bytesOf(streamOf(bytes, 1000))).toEqual(bytes);
  expect(await bytesOf(streamOf(bytes, 7))).toEqual(bytes);
});
