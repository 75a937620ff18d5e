import { expect, test } from "bun:test";
import { parseRepositoryName } from "../../src/oci/names.ts";
import { createApi } from "../../src/server/api/app.ts";
import { createEventOperations } from "../../src/server/api/events.ts";
import { createChangeFeed } from "../../src/server/upkeep/change-feed.ts";
import type { Change, ChangeQuery } from "../../src/store/metadata/tags.ts";

/** A past of so many changes, of which a reader may see the last alone. */
const total = 5000;
const seen = parseRepositoryName("gallery/seen");
const other = parseRepositoryName("gallery/other");

const connection = { timeout: () => {} };

function changeOf(id: number): Change {
  const repository = id === total ? seen : other;
  return { id, at: new Date(0), repository, actor: "tester", kind: "push", moves: [] };
}

test("a long past of which nothing is followed is looked through with turns for others in between", async () => {
  let turns = 0;
  let stopped = false;
  const takeTurns = (): void => {
    turns++;
    if (!stopped) setImmediate(takeTurns);
  };
  const source = {
    lastChange: () => total,
    listChanges: ({ after = 0, limit }: ChangeQuery) =>
      Array.from({ length: Math.min(limit, total - after) }, (_, at) => changeOf(after + 1 + at)),
  };
  const feed = createChangeFeed(source);
  const operations = createEventOperations(source, feed);
  const api = createApi(operations, () => ({
    actor: "reader",
    mayRead: (repository) => repository === seen,
  }));
  const ended = new AbortController();
  try {
    const request = new Request("http://localhost/api/v1/events?after=0", { signal: ended.signal });
    const answer = await api(request, connection);
    const reader = answer.body?.getReader();
    await reader?.read(); // the cursor
    setImmediate(takeTurns);
    const event = await reader?.read();
    expect(new TextDecoder().decode(event?.value)).toStartWith(`id: ${total}\nevent: change\n`);
    expect(turns).toBeGreaterThan(10);
    await reader?.cancel();
  } finally {
    stopped = true;
    feed.close();
    ended.abort();
  }
});

test("an empty Last-Event-ID is none: only what comes is told", async () => {
  const source = { lastChange: () => total, listChanges: () => [] };
  const feed = createChangeFeed(source);
  const api = createApi(createEventOperations(source, feed), () => ({
    actor: "reader",
    mayRead: () => true,
  }));
  const answer = await api(
    new Request("http://localhost/api/v1/events", { headers: { "last-event-id": "" } }),
    connection,
  );
  const reader = answer.body?.getReader();
  const first = await reader?.read();
  expect(new TextDecoder().decode(first?.value)).toContain(`id: ${total}\n`);
  await reader?.cancel();
  feed.close();
});
