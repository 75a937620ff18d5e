import { expect, test } from "bun:test";
import { createSlowReaders } from "./slow-readers.ts";

const large = new Blob([new Uint8Array(64 * 1024 * 1024)]);

test("allow remembers who reads, and forgets who has read all or has gone", async () => {
  const readers = createSlowReaders(20);
  using server = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1", idleTimeout: 1 },
    fetch(request, listener) {
      readers.allow(listener, request, large.size);
      return new Response(large);
    },
  });
  const counted = async (count: number) => {
    for (const end = Date.now() + 10_000; readers.count !== count && Date.now() < end; ) await Bun.sleep(10);
    expect(readers.count).toBe(count);
  };
  const leaving = new AbortController();
  const [slow, gone] = [await fetch(server.url), await fetch(server.url, { signal: leaving.signal })];
  await counted(2);
  leaving.abort();
  await gone.arrayBuffer().catch(() => {}); // that is what it was told to
  await counted(1);
  expect((await slow.arrayBuffer()).byteLength).toBe(large.size);
  await counted(0);
});

test("allow leaves small answers to the server's own idle time", () => {
  const readers = createSlowReaders();
  const times: number[] = [];
  readers.allow(
    { timeout: (_request, seconds) => times.push(seconds) },
    new Request("http://berth/"),
    1024 * 1024,
  );
  expect({ times, count: readers.count }).toEqual({ times: [], count: 0 });
});
