import { z } from "zod";
import type { Client } from "../../client/client.ts";
import { isRegistryError } from "../../oci/errors.ts";
import type { RepositoryName } from "../../oci/names.ts";
import type { Metadata } from "../../store/metadata/metadata.ts";
import type { PastChange } from "../../store/metadata/tags.ts";
import { managementOf } from "../management/management.ts";
import { changeSchema, toPast } from "./document.ts";

/** What happened to the tags of a repository. */
export interface History {
  /** The oldest first. */
  readonly changes: readonly PastChange[];
  readonly lastChange: number;
}

const answer = z.object({
  changes: z.array(changeSchema.extend({ id: z.number() })).default([]),
  next: z.number().optional(),
});

const pageSize = 1000;

/** A change with its number. */
interface NumberedChange {
  readonly id: number;
  readonly past: PastChange;
}

/**
 * Reads what happened to a repository's tags behind a change, the oldest first. `undefined` where no history is kept, or
 * shown.
 */
export type HistoryReader = (
  repository: RepositoryName,
  after: number,
) => Promise<readonly NumberedChange[] | undefined>;

/** Reads history by the management API of a Berth. */
export function remoteHistory(client: Client, signal: AbortSignal): HistoryReader {
  const { ask } = managementOf(client, client.registry, signal);
  return async (repository, after) => {
    const found: NumberedChange[] = [];
    try {
      for (let last: number | undefined, isFirst = true; isFirst || last !== undefined; isFirst = false) {
        const query = { repository, n: pageSize, last };
        const action = `read the log of ${repository}`;
        const page = await ask({ method: "GET", path: "/tags/log", query, action }, answer);
        for (const { id, ...change } of page.changes)
          if (id > after) found.push({ id, past: toPast(change) });
        const oldest = page.changes.at(-1)?.id ?? 0;
        last = oldest > after ? page.next : undefined;
      }
    } catch (error) {
      if (isRegistryError(error, "UNSUPPORTED", "DENIED", "NAME_UNKNOWN")) return undefined;
      throw error;
    }
    return found.reverse();
  };
}

/** Reads history in a data folder. */
export function storeHistory(metadata: Pick<Metadata, "listChanges">): HistoryReader {
  return async (repository, after) => {
    const found: NumberedChange[] = [];
    for (let last = after; ; ) {
      const page = await metadata.listChanges({ repository, after: last, limit: pageSize });
      for (const { id, repository: _of, ...past } of page) found.push({ id, past });
      last = page.at(-1)?.id ?? last;
      if (page.length < pageSize) return found;
    }
  };
}

/** What happened to the tags that are wanted. @param after the change behind which `found` begins */
export function historyOf(
  found: readonly NumberedChange[],
  after: number,
  tag: (name: string) => boolean,
): History {
  const changes = found.map(({ past }) => withMovesOf(past, tag)).filter(({ moves }) => moves.length > 0);
  return { changes, lastChange: found.at(-1)?.id ?? after };
}

/** What moved of the tags that are wanted. */
function withMovesOf(past: PastChange, tag: (name: string) => boolean): PastChange {
  const moves = past.moves.filter(
    (move) => move.action !== "keep" && move.action !== "refuse" && tag(move.tag),
  );
  return { ...past, moves };
}
