import { setImmediate } from "node:timers/promises";
import { z } from "zod";
import { parseRepositoryName, type RepositoryName, type Tag } from "../../oci/names.ts";
import {
  matchesRepository,
  parseRepositoryPattern,
  type RepositoryPattern,
} from "../../oci/repository-patterns.ts";
import type { Metadata } from "../../store/metadata/metadata.ts";
import type { Change } from "../../store/metadata/tags.ts";
import type { ChangeFeed } from "../upkeep/change-feed.ts";
import { type Operation, operation } from "./operations.ts";
import { parsed, tagName } from "./schemas.ts";
import { toChangeBody } from "./tags/schemas.ts";

/** How long a stream of events may be what. Milliseconds. */
export interface EventLimits {
  /** Nothing is sent for so long at most: proxies cut what is silent. */
  readonly heartbeatMs: number;
  /** After this time a reader has to come again, and shows again what it may read. */
  readonly longestMs: number;
}

const usualLimits: EventLimits = { heartbeatMs: 15_000, longestMs: 30 * 60_000 };
const pageSize = 100;

/** Where events are read. */
export type EventSource = Pick<Metadata, "listChanges" | "lastChange">;

/** Which changes a reader follows. */
interface Filter {
  readonly repositories: RepositoryPattern | undefined;
  readonly tag: Tag | undefined;
  /** Asked before each page: what the reader may see can change while it reads. */
  readonly mayRead: () => Promise<(repository: RepositoryName) => boolean>;
}

/** Every change as it happens. */
export function createEventOperations(
  metadata: EventSource,
  feed: ChangeFeed,
  limits = usualLimits,
): readonly Operation[] {
  return [
    operation({
      method: "GET",
      path: "/events",
      summary:
        "Changes of tags and manifests as server-sent events, those to come or those behind a cursor: what the header Last-Event-ID or `after` says",
      query: z.strictObject({
        repository: parsed<RepositoryPattern>(
          parseRepositoryPattern,
          "A repository, or a pattern such as gallery/**",
        ).optional(),
        tag: tagName.optional().describe("Only changes that move this tag"),
        after: z.coerce
          .number()
          .int()
          .min(0)
          .optional()
          .describe("The id of the last event that is known; 0 for all"),
      }),
      produces: "text/event-stream",
      need: ({ query: { repository } }) =>
        repository === undefined || repository.includes("*")
          ? { kind: "nothing" }
          : { kind: "repository", repository: parseRepositoryName(repository), action: "pull" },
      async run({ query: { repository, tag, after } }, call) {
        const { request, mayRead } = call;
        const resumed = Number(request.headers.get("last-event-id") || Number.NaN);
        const last = await metadata.lastChange();
        // A cursor may be from before a backup was restored: then what comes from now on is all that can be told.
        const start = Math.min(Number.isSafeInteger(resumed) ? resumed : (after ?? last), last);
        const body = streamChanges(
          { metadata, feed, limits, start },
          {
            repositories: repository,
            tag,
            mayRead: async () => (await call.recheck?.())?.mayRead ?? mayRead,
          },
        );
        return new Response(body, {
          headers: {
            "content-type": "text/event-stream",
            "cache-control": "no-store",
            "x-accel-buffering": "no",
          },
        });
      },
    }),
  ];
}

interface StreamParts {
  readonly metadata: EventSource;
  readonly feed: ChangeFeed;
  readonly limits: EventLimits;
  readonly start: number;
}

/**
 * The changes behind `start`, as text. Nothing is held for a reader but its cursor: the next changes are read when it
 * has taken those before. One that takes nothing is cut by the server's idle time, and can go on from where it was.
 */
function streamChanges(
  { metadata, feed, limits, start }: StreamParts,
  filter: Filter,
): ReadableStream<Uint8Array> {
  const ended = new AbortController();
  const deadline = Date.now() + limits.longestMs;
  const encoder = new TextEncoder();
  const { repositories } = filter;
  const isOne = repositories !== undefined && !repositories.includes("*");
  const one = isOne ? { repository: parseRepositoryName(repositories) } : {}; // read by an index of their own
  let cursor = start;
  let isFirst = true;

  /** What is to be sent next: events, or a sign of life that moves the reader's cursor; undefined at the end. */
  const next = async (): Promise<string | undefined> => {
    if (isFirst) {
      isFirst = false;
      return `retry: 2000\nid: ${cursor}\n\n`;
    }
    for (let waited = false; ; ) {
      if (feed.closed || ended.signal.aborted || Date.now() > deadline) return undefined;
      const last = await metadata.lastChange();
      const page = await metadata.listChanges({ ...one, after: cursor, limit: pageSize });
      const mayRead = await filter.mayRead().catch(() => undefined); // who may nothing any more reads to the end
      if (!mayRead) return undefined;
      // A page that is not full has all that is followed up to the last change there was.
      cursor = Math.max(cursor, page[page.length - 1]?.id ?? 0, page.length < pageSize ? last : 0);
      const events = page
        .filter((change) => isFollowed(change, filter) && mayRead(change.repository))
        .map(toEvent);
      if (events.length > 0) return events.join("");
      if (page.length > 0) {
        await setImmediate(); // a long past of which nothing is followed: others have their turn in between
        continue;
      }
      if (waited) return `id: ${cursor}\n\n`;
      await feed.wait(cursor, limits.heartbeatMs, ended.signal);
      waited = true;
    }
  };

  return new ReadableStream(
    {
      async pull(controller) {
        const text = await next();
        if (text === undefined) {
          if (!ended.signal.aborted) controller.close();
          return;
        }
        controller.enqueue(encoder.encode(text));
      },
      cancel: () => ended.abort(),
    },
    { highWaterMark: 0 },
  );
}

function isFollowed({ repository, moves }: Change, { repositories, tag }: Filter): boolean {
  if (repositories !== undefined && !matchesRepository(repositories, repository)) return false;
  return tag === undefined || moves.some((move) => move.tag === tag);
}

function toEvent(change: Change): string {
  return `id: ${change.id}\nevent: change\ndata: ${JSON.stringify(toChangeBody(change))}\n\n`;
}
