import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mediaTypes } from "../../src/oci/media-types.ts";
import { type RunningRegistry, startBerth } from "../fixtures/registries.ts";
import { contentOf } from "../fixtures/tagging-store.ts";

let berth: RunningRegistry;

beforeAll(async () => {
  berth = await startBerth({ args: ["--workers", "2"] });
});
afterAll(() => berth?.stop());

async function push(repository: string, name: string, tag: string): Promise<void> {
  const answer = await fetch(`${berth.url}/v2/${repository}/manifests/${tag}`, {
    method: "PUT",
    headers: { "content-type": mediaTypes.ociIndex, connection: "close" },
    body: contentOf(name).slice().buffer,
  });
  if (answer.status !== 201) throw new Error(await answer.text());
}

interface Event {
  readonly id: number;
  readonly data: {
    readonly repository: string;
    readonly kind: string;
    readonly moves: readonly { tag: string }[];
  };
}

/** Reads events until there are `count`, then leaves. */
async function follow(query: string, count: number, lastId?: number, onOpen?: () => Promise<void>) {
  const events: Event[] = [];
  const ended = new AbortController();
  const answer = await fetch(`${berth.url}/api/v1/events${query}`, {
    signal: ended.signal,
    headers: { connection: "close", ...(lastId === undefined ? {} : { "last-event-id": String(lastId) }) },
  });
  expect(answer.headers.get("content-type")).toBe("text/event-stream");
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of answer.body ?? []) {
    if (text === "") await onOpen?.();
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const fields = Object.fromEntries(
        text
          .slice(0, end)
          .split("\n")
          .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
      );
      text = text.slice(end + 2);
      if (fields.data) events.push({ id: Number(fields.id), data: JSON.parse(fields.data) });
    }
    if (events.length >= count) break;
  }
  ended.abort();
  return events;
}

describe("GET /api/v1/events", () => {
  test("events come as they happen, whichever worker takes the push", async () => {
    const events = await follow("?repository=live/**", 6, undefined, async () => {
      for (let at = 0; at < 6; at++) {
        await push("other/app", `o${at}`, "1");
        await push("live/app", `l${at}`, `t${at}`);
      }
    });
    expect(events.map(({ data }) => `${data.kind} ${data.moves.map(({ tag }) => tag)}`)).toEqual(
      [0, 1, 2, 3, 4, 5].map((at) => `push t${at}`),
    );
  });

  test("events go on behind the last one that a reader knows, with nothing left out or told twice", async () => {
    for (let at = 0; at < 250; at++) await push("resumed/app", `r${at}`, "1");
    const first = await follow("?repository=resumed/app&after=0", 120);
    const rest = await follow("?repository=resumed/app", 250 - first.length, first[first.length - 1]?.id);
    const ids = [...first, ...rest].map(({ id }) => id);
    expect(ids).toHaveLength(250);
    expect(new Set(ids).size).toBe(250);
    expect([...ids].sort((a, b) => a - b)).toEqual(ids);
  });

  test("events go on when the cursor is one that the registry never gave", async () => {
    const events = await follow("?repository=ahead/*", 1, 10 ** 9, () => push("ahead/app", "a", "1"));
    expect(events.map(({ data }) => data.repository)).toEqual(["ahead/app"]);
  });

  test("events of one tag leave out changes that do not move it", async () => {
    for (const tag of ["a", "b", "a", "b"]) await push("one/app", `${Math.random()}`, tag);
    const events = await follow("?repository=one/app&tag=b&after=0", 2);
    expect(events.map(({ data }) => data.moves.map(({ tag }) => tag))).toEqual([["b"], ["b"]]);
  });

  test("serve stops at once while somebody follows events", async () => {
    const other = await startBerth();
    const answer = await fetch(`${other.url}/api/v1/events`);
    const began = performance.now();
    const read = answer.text().catch(() => "cut");
    await other.stop();
    await read;
    expect(performance.now() - began).toBeLessThan(5000);
  });
});
