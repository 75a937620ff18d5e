import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type FileHandle, mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHasher, digestOf } from "../hash.ts";
import { receive } from "./receive.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "berth-receive-"));
});

afterAll(() => rm(folder, { recursive: true }));

async function withFile<T>(name: string, run: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(join(folder, name), "wx+");
  try {
    return await run(file);
  } finally {
    await file.close();
  }
}

/** Pieces of odd sizes, some of several batches. */
function makePieces(): Uint8Array<ArrayBuffer>[] {
  return [1, 700_000, 3, 131_072, 524_288, 17].map((size, at) => new Uint8Array(size).fill(at + 1));
}

function streamOfPieces(pieces: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
}

describe("receive", () => {
  test("receive writes and hashes every byte in order, from its position on", () =>
    withFile("whole", async (file) => {
      const pieces = makePieces();
      const expected = Buffer.concat(pieces);
      const hasher = createHasher("sha256");
      await file.write("head");
      expect(await receive(file.fd, streamOfPieces(pieces), { position: 4, hasher })).toEqual({
        size: expected.byteLength,
      });
      expect(hasher.digest()).toBe(digestOf(expected));
      expect((await readFile(join(folder, "whole"))).subarray(4).equals(expected)).toBe(true);
      expect(pieces.map(({ byteLength }) => byteLength)).not.toContain(0);
    }));

  test("receive writes what is so large that the disk begins with it early", () =>
    withFile("large", async (file) => {
      const mib = 1024 * 1024;
      const pieces = [1, 2, 3, 4].map((fill) => new Uint8Array(9 * mib + fill).fill(fill));
      const expected = digestOf(Buffer.concat(pieces));
      for (const size of [36 * mib + 10, undefined]) {
        const hasher = createHasher("sha256");
        const received = await receive(file.fd, streamOfPieces(pieces), { position: 0, size, hasher });
        expect(received).toEqual({ size: 36 * mib + 10 });
        expect(hasher.digest()).toBe(expected);
        expect(digestOf(await readFile(join(folder, "large")))).toBe(expected);
      }
    }));

  test("receive gives the memory of handed over pieces back, but not what others look at too", () =>
    withFile("handed-over", async (file) => {
      const shared = new Uint8Array(100).fill(9);
      const pieces = [...makePieces(), shared.subarray(10, 20)];
      const expected = Buffer.concat(pieces);
      const options = { position: 0, size: expected.byteLength, isHandedOver: true };
      expect(await receive(file.fd, streamOfPieces(pieces), options)).toEqual({ size: expected.byteLength });
      expect((await readFile(join(folder, "handed-over"))).equals(expected)).toBe(true);
      expect(pieces.map(({ byteLength }) => byteLength)).toEqual([0, 0, 0, 0, 0, 0, 10]);
    }));

  test("receive keeps what came before the body broke off", () =>
    withFile("broken", async (file) => {
      let sent = 0;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (sent++ < 3) controller.enqueue(new Uint8Array(300_000).fill(sent));
          else controller.error(new Error("the line is dead"));
        },
      });
      const received = await receive(file.fd, body, { position: 0 });
      expect(received.size).toBe(900_000);
      expect(received.error).toMatchObject({ code: "BODY_INCOMPLETE" });
      expect((await file.stat()).size).toBe(900_000);
    }));

  test("receive takes no more than was announced, and says when less came", async () => {
    for (const [size, code] of [
      [10, "SIZE_INVALID"],
      [30, "SIZE_INVALID"],
    ] as const) {
      const { error } = await withFile(`size-${size}`, (file) =>
        receive(file.fd, streamOfPieces([new Uint8Array(20)]), { position: 0, size }),
      );
      expect(error).toMatchObject({ code });
    }
  });
});
