import { type Asker, entryFor } from "../../access/asker.ts";
import type { AuditLog } from "../../access/audit.ts";
import { isRegistryError } from "../../oci/errors.ts";
import type { AuditEntry } from "../../store/metadata/audit.ts";
import type { Need } from "./operations.ts";

/** The most characters of what was asked that the record keeps. */
const longestDetail = 500;

/** What of an operation is recorded: `tags.move` of a repository, `accounts` of `alice/tokens`. */
function entryOf(asker: Asker, need: Need, path: string): AuditEntry {
  if (need.kind === "repository") {
    const { subject: _, ...entry } = entryFor(asker, path.replaceAll("/", "."), "");
    return { ...entry, repository: need.repository };
  }
  const slash = path.indexOf("/");
  return slash < 0
    ? entryFor(asker, path, "all")
    : entryFor(asker, path.slice(0, slash), path.slice(slash + 1));
}

/**
 * Records that an operation was done which changes repositories or rules, or was not allowed. Operations that are
 * everybody's own matter record themselves what they change.
 */
export function recorderOf(
  log: AuditLog,
  asker: Asker,
  need: Need,
  method: string,
  path: string,
): (input: unknown, error?: unknown) => Promise<void> {
  const changes =
    (need.kind === "repository" && need.action !== "pull") ||
    (need.kind === "registry" && need.action === "write");
  return async (input, error) => {
    if (isRegistryError(error, "DENIED")) recordRefusal(log, asker, need, path, error);
    if (error !== undefined) return;
    if (!changes || method === "GET") return;
    await log.record({
      ...entryOf(asker, need, path),
      ...(input === undefined ? {} : { detail: JSON.stringify(input).slice(0, longestDetail) }),
    });
  };
}

/** Records what somebody who is known was not allowed. */
export function recordRefusal(log: AuditLog, asker: Asker, need: Need, path: string, error: unknown): void {
  // UNAUTHORIZED is the first step of getting a token; what is hidden is refused as not there.
  const isHidden = need.kind === "repository" && isRegistryError(error, "NAME_UNKNOWN");
  if (asker.caller.identity.kind === "anonymous" || !(isRegistryError(error, "DENIED") || isHidden)) return;
  log.note({ ...entryOf(asker, need, path), outcome: "refused", detail: error.message });
}
