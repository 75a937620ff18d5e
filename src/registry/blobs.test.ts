import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBlob } from "./blobs.ts";
import { bytesFor, describeBytes, errorOf, failureOf } from "./contract/fixtures.ts";
import type { BlobHandle, BlobSource } from "./registry.ts";
import { bytesOf, streamOf } from "./streams.ts";

const bytes = bytesFor(1, 600_000);
const descriptor = describeBytes(bytes);
let folder: string;
let server: ReturnType<typeof Bun.serve>;
let sources: BlobSource[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "berth-blobs-"));
  const path = join(folder, "blob");
  await writeFile(path, bytes);
  server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer });
  sources = [
    { kind: "file", path },
    { kind: "url", url: `${server.url}blob?secret=1` },
    {
      kind: "stream",
      open: async (range) => streamOf(range ? bytes.subarray(range.first, range.last + 1) : bytes),
    },
  ];
});

afterAll(async () => {
  await server.stop(true);
  await rm(folder, { recursive: true });
});

function answer(request: Request): Response {
  if (!request.url.includes("/blob")) return new Response("no", { status: 403 });
  const [, first, last] = request.headers.get("range")?.match(/^bytes=(\d+)-(\d+)$/) ?? [];
  if (first === undefined) return new Response(bytes);
  return new Response(bytes.slice(Number(first), Number(last) + 1), { status: 206 });
}

async function forEachSource(run: (handle: BlobHandle) => Promise<void>): Promise<void> {
  for (const source of sources) await run({ descriptor, source });
}

describe("openBlob", () => {
  test("gives the whole blob whatever kind its source is", () =>
    forEachSource(async (handle) => {
      expect(await bytesOf(await openBlob(handle))).toEqual(bytes);
    }));

  test("gives a range whatever kind the source is", () =>
    forEachSource(async (handle) => {
      for (const [first, last] of [
        [0, 0],
        [262_143, 262_144],
        [599_999, 599_999],
        [0, 599_999],
      ] as const) {
        expect(await bytesOf(await openBlob(handle, { first, last }))).toEqual(
          bytes.subarray(first, last + 1),
        );
      }
    }));

  test("rejects with BLOB_RANGE_INVALID when the blob has no such bytes", () =>
    forEachSource(async (handle) => {
      for (const [first, last] of [
        [0, 600_000],
        [-1, 5],
        [3, 2],
        [0.5, 2],
      ] as const) {
        await errorOf(openBlob(handle, { first, last }), "BLOB_RANGE_INVALID");
      }
    }));

  test("rejects with the signal's reason when it has aborted", () =>
    forEachSource(async (handle) => {
      const reason = new Error("enough");
      expect(await failureOf(openBlob(handle, undefined, { signal: AbortSignal.abort(reason) }))).toBe(
        reason,
      );
    }));

  test("can be cancelled before the end", () =>
    forEachSource(async (handle) => {
      const reader = (await openBlob(handle)).getReader();
      await reader.read();
      await reader.cancel();
    }));

  test("gives an empty file", async () => {
    const path = join(folder, "empty");
    await writeFile(path, "");
    const handle = { descriptor: describeBytes(new Uint8Array(0)), source: { kind: "file", path } } as const;
    expect((await bytesOf(await openBlob(handle))).byteLength).toBe(0);
  });

  test("fails in the middle when a file is shorter than the blob", async () => {
    const path = join(folder, "short");
    await writeFile(path, bytes);
    await truncate(path, 300_000);
    const handle = { descriptor, source: { kind: "file", path } } as const;
    const error = await errorOf(bytesOf(await openBlob(handle)), "INTERNAL");
    expect(error.message).toContain("300000");
  });

  test("leaves no file open when streams are read, cancelled or fail", async () => {
    const before = await openFiles();
    const [file] = sources;
    if (!file) throw new Error("there is a file");
    for (let times = 0; times < 10; times++) {
      await bytesOf(await openBlob({ descriptor, source: file }, { first: 5, last: 500_000 }));
      await (await openBlob({ descriptor, source: file })).cancel();
      const longer = { ...descriptor, size: descriptor.size + 1 };
      await failureOf(bytesOf(await openBlob({ descriptor: longer, source: file })));
    }
    expect(await openFiles()).toBe(before);
  });

  test("names host and status, not the address, when a URL does not answer with the blob", async () => {
    const url = `${server.url}other?secret=1`;
    const error = await errorOf(openBlob({ descriptor, source: { kind: "url", url } }), "UNAVAILABLE");
    expect(error.message).toContain(server.url.host);
    expect(error.message).toContain("403");
    expect(error.message).not.toContain("secret");
  });

  test("names the host when nothing answers at a URL", async () => {
    const gone = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
    const { url } = gone;
    await gone.stop(true);
    const source = { kind: "url", url: `${url}blob` } as const;
    expect((await errorOf(openBlob({ descriptor, source }), "UNAVAILABLE")).message).toContain(url.host);
  });
});

/** The lowest free file descriptor: it grows when files stay open. */
async function openFiles(): Promise<number> {
  const file = await open(join(folder, "blob"));
  const { fd } = file;
  await file.close();
  return fd;
}
