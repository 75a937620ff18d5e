import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { connect } from "node:net";
import { createApi } from "../../src/server/api/app.ts";
import { createEventOperations } from "../../src/server/api/events.ts";
import { createChangeFeed } from "../../src/server/upkeep/change-feed.ts";
import { freshRepository, openTaggingStore, type TaggingStore } from "../fixtures/tagging-store.ts";

setDefaultTimeout(60_000);

let tagging: TaggingStore;
const total = 700;

beforeAll(async () => {
  tagging = await openTaggingStore();
  const repository = freshRepository();
  const tags = Array.from({ length: 50 }, (_, at) => `tag-${at}`);
  // More bytes of events than all buffers between a server and a client hold.
  const pushes = Array.from({ length: total }, (_, at) => at);
  for (const at of pushes) await tagging.push(repository, `${at}`, ...tags);
});
afterAll(() => tagging?.close());

test("events are read no faster than they are taken, and a reader that takes none is cut and can go on", async () => {
  const { metadata } = tagging.store;
  let read = 0;
  const counted = {
    lastChange: () => metadata.lastChange(),
    listChanges: async (query: Parameters<typeof metadata.listChanges>[0]) => {
      const changes = await metadata.listChanges(query);
      read += changes.length;
      return changes;
    },
  };
  const feed = createChangeFeed(metadata);
  const operations = createEventOperations(counted, feed, {
    heartbeatMs: 100,
    longestMs: 60_000,
  });
  const api = createApi(operations, () => ({ actor: "reader", mayRead: () => true }));
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 1,
    fetch: (request, connection) => api(request, connection),
  });
  try {
    const socket = connect(server.port ?? 0, "127.0.0.1");
    socket.write("GET /api/v1/events?after=0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    await new Promise((resolve) => socket.once("readable", resolve));
    while (server.pendingRequests > 0) await Bun.sleep(20); // it reads nothing more until it is cut
    expect(read).toBeGreaterThan(0);
    expect(read).toBeLessThan(total);

    let text = "";
    socket.setEncoding("latin1").on("data", (chunk) => {
      text += chunk;
    });
    await new Promise((resolve) => socket.once("close", resolve));
    const last = Number(
      /id: (\d+)\nevent: change\ndata: .*\n\n(?![\s\S]*\nid: \d+\nevent: change\ndata: .*\n\n)/.exec(
        text,
      )?.[1],
    );
    expect(last).toBeGreaterThan(0);

    const ended = new AbortController();
    const url = `http://127.0.0.1:${server.port}/api/v1/events`;
    const answer = await fetch(url, { signal: ended.signal, headers: { "last-event-id": String(last) } });
    const ids: number[] = [];
    let rest = "";
    for await (const chunk of answer.body ?? []) {
      rest += new TextDecoder("latin1").decode(chunk);
      const events = rest.split("\n\n");
      rest = events.pop() ?? "";
      for (const event of events) {
        if (event.includes("event: change")) ids.push(Number(/^id: (\d+)/.exec(event)?.[1]));
      }
      if (ids.length >= total - last) break;
    }
    ended.abort();
    expect(ids).toEqual(Array.from({ length: total - last }, (_, at) => last + 1 + at));
  } finally {
    feed.close();
    await server.stop(true);
  }
});
