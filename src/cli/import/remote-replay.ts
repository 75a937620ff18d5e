import { z } from "zod";
import type { Client } from "../../client/client.ts";
import { parseTag } from "../../oci/names.ts";
import type { PastChange } from "../../store/metadata/tags.ts";
import { managementOf } from "../management/management.ts";
import type { Conflict, ImportDestination } from "./destination.ts";

const answer = z.object({ conflicts: z.array(z.object({ tag: z.string(), reason: z.string() })) });

/** What one request brings: the server takes 1 MiB and 500 changes. */
const most = { changes: 500, bytes: 900_000 };

/** Writes history by the management API of a Berth. */
export function remoteReplay(client: Client, signal: AbortSignal): ImportDestination["replay"] {
  const { ask } = managementOf(client, client.registry, signal);
  return async (repository, past) => {
    const found: Conflict[] = [];
    for (const changes of portionsOf(past)) {
      const { conflicts } = await ask(
        {
          method: "POST",
          path: "/tags/replay",
          body: { repository, changes },
          action: `write the history of ${repository}`,
        },
        answer,
      );
      found.push(...conflicts.map(({ tag, reason }) => ({ tag: parseTag(tag), reason })));
    }
    return found;
  };
}

function* portionsOf(past: readonly PastChange[]): Generator<readonly PastChange[]> {
  let portion: PastChange[] = [];
  let bytes = 0;
  for (const change of past) {
    const size = JSON.stringify(change).length;
    if (portion.length === most.changes || (portion.length > 0 && bytes + size > most.bytes)) {
      yield portion;
      portion = [];
      bytes = 0;
    }
    portion.push(change);
    bytes += size;
  }
  if (portion.length > 0) yield portion;
}
