import { describe, expect, test } from "bun:test";
import { bodyOf, bytesFor, describeBytes, errorOf, failureOf, heldBody } from "./contract/fixtures.ts";
import { bytesOf, streamOf } from "./streams.ts";
import { createVerifier, verifyManifest } from "./verification.ts";

const bytes = bytesFor(1, 100_000);
const descriptor = describeBytes(bytes);

describe("createVerifier", () => {
  test("pass gives the bytes on when they are right", async () => {
    for (const pieceSize of [1000, 99_999, 100_000]) {
      const passed: number[] = [];
      const verifier = createVerifier(descriptor, { onBytes: (count) => passed.push(count) });
      expect(await bytesOf(verifier.pass(streamOf(bytes, pieceSize)))).toEqual(bytes);
      expect(passed.at(-1)).toBe(100_000);
      expect(passed.length).toBe(Math.ceil(100_000 / pieceSize));
      expect(verifier.failure()).toBeUndefined();
    }
  });

  test("pass gives an empty blob on, and fails when it should be another", async () => {
    const empty = new Uint8Array(0);
    expect(await bytesOf(createVerifier(describeBytes(empty)).pass(bodyOf()))).toEqual(empty);
    const wrong = { ...descriptor, size: 0 };
    await errorOf(bytesOf(createVerifier(wrong).pass(bodyOf())), "DIGEST_INVALID");
  });

  test("pass fails before the last bytes when one byte is wrong, anywhere", async () => {
    for (const at of [0, 50_000, 99_999]) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      const verifier = createVerifier(descriptor);
      const passed: Uint8Array[] = [];
      const reader = verifier.pass(streamOf(changed, 30_000)).getReader();
      const readAll = async (): Promise<void> => {
        for (let next = await reader.read(); !next.done; next = await reader.read()) passed.push(next.value);
      };
      const error = await errorOf(readAll(), "DIGEST_INVALID");
      expect(error.message).toContain(descriptor.digest);
      expect(passed.length).toBe(3);
      expect(verifier.failure()).toBe(error);
    }
  });

  test("pass fails when there are fewer or more bytes", async () => {
    await errorOf(bytesOf(createVerifier(descriptor).pass(streamOf(bytes.subarray(1)))), "SIZE_INVALID");
    const longer = bodyOf(bytes, new Uint8Array(1));
    await errorOf(bytesOf(createVerifier(descriptor).pass(longer)), "SIZE_INVALID");
  });

  test("pass goes on where an earlier stream broke off", async () => {
    const verifier = createVerifier(descriptor);
    const broken = new Error("broken");
    const first = verifier.pass(bodyOf(bytes.subarray(0, 40_000), bytes.subarray(40_000, 60_000), broken));
    expect(await failureOf(bytesOf(first))).toBe(broken);
    expect(verifier.failure()).toBe(broken);
    const rest = await bytesOf(verifier.pass(streamOf(bytes.subarray(30_000), 20_000), 30_000));
    expect(rest).toEqual(bytes.subarray(30_000));
    expect(verifier.failure()).toBeUndefined();
  });

  test("pass fails when the bytes that go on are wrong", async () => {
    const verifier = createVerifier(descriptor);
    await failureOf(bytesOf(verifier.pass(bodyOf(bytes.subarray(0, 60_000), new Error("broken")))));
    const changed = bytes.slice(30_000);
    changed[69_999] = (changed[69_999] ?? 0) ^ 1;
    await errorOf(bytesOf(verifier.pass(streamOf(changed), 30_000)), "DIGEST_INVALID");
  });

  test("pass fails with the signal's reason and cancels the source when the signal aborts", async () => {
    const stop = new AbortController();
    const { body, held } = heldBody(bytes.subarray(0, 10));
    const reason = new Error("enough");
    const verifier = createVerifier(descriptor, { signal: stop.signal });
    void held.then(() => stop.abort(reason));
    expect(await failureOf(bytesOf(verifier.pass(body)))).toBe(reason);
  });

  test("stop cancels the source when nobody read it", async () => {
    const cancelled = Promise.withResolvers<void>();
    const source = new ReadableStream<Uint8Array>(
      { cancel: () => cancelled.resolve() },
      { highWaterMark: 0 },
    );
    const verifier = createVerifier(descriptor);
    verifier.pass(source);
    verifier.stop();
    await cancelled.promise;
  });
});

test("verifyManifest throws when size or digest are wrong", () => {
  expect(() => verifyManifest({ descriptor, bytes }, descriptor)).not.toThrow();
  expect(() => verifyManifest({ descriptor, bytes: bytes.subarray(1) }, descriptor)).toThrow("99999");
  const changed = bytesFor(2, 100_000);
  expect(() => verifyManifest({ descriptor, bytes: changed }, descriptor)).toThrow(
    describeBytes(changed).digest,
  );
});
