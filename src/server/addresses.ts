import type { Connection } from "./context.ts";

/** The address that a request came from, for the record and against guessing. */
export function addressOf(request: Request, connection: Connection): string {
  return connection.requestIP?.(request)?.address ?? "unknown";
}
