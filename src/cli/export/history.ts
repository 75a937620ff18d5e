import { z } from "zod";
import type { Client } from "../../client/client.ts";
import { isRegistryError } from "../../oci/errors.ts";
import type { RepositoryName } from "../../oci/names.ts";
import type { PastChange } from "../../store/metadata/tags.ts";
import { managementOf } from "../management.ts";
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

/**
 * Reads what happened to a repository's tags behind a change. `undefined` where the registry keeps no history, or does not
 * show it.
 */
export async function readHistory(
  client: Client,
  repository: RepositoryName,
  after: number,
  { tag, signal }: { readonly tag: (name: string) => boolean; readonly signal: AbortSignal },
): Promise<History | undefined> {
  const { ask } = managementOf(client, client.registry, signal);
  const found: { id: number; past: PastChange }[] = [];
  try {
    for (let last: number | undefined, isFirst = true; isFirst || last !== undefined; isFirst = false) {
      const query = { repository, n: pageSize, last };
      const action = `read the log of ${repository}`;
      const page = await ask({ method: "GET", path: "/tags/log", query, action }, answer);
      for (const { id, ...change } of page.changes) if (id > after) found.push({ id, past: toPast(change) });
      const oldest = page.changes.at(-1)?.id ?? 0;
      last = oldest > after ? page.next : undefined;
    }
  } catch (error) {
    if (isRegistryError(error, "UNSUPPORTED", "DENIED", "NAME_UNKNOWN")) return undefined;
    throw error;
  }
  const changes = found.map(({ past }) => withMovesOf(past, tag)).reverse();
  const moving = changes.filter(({ moves }) => moves.length > 0);
  return { changes: moving, lastChange: found[0]?.id ?? after };
}

/** What moved of the tags that are wanted. */
function withMovesOf(past: PastChange, tag: (name: string) => boolean): PastChange {
  const moves = past.moves.filter(
    (move) => move.action !== "keep" && move.action !== "refuse" && tag(move.tag),
  );
  return { ...past, moves };
}
