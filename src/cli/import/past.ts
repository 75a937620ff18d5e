import type { Digest } from "../../oci/digests.ts";
import { isRegistryError } from "../../oci/errors.ts";
import type { RepositoryRun } from "./repository-run.ts";
import type { RepositoryPast } from "./source.ts";
import { digestAt } from "./tags.ts";

/**
 * Writes the history of tags at the destination. Where that cannot be done it is noted, and the tags go without.
 * @returns whether it was done
 */
export async function replayHistory(run: RepositoryRun, { history }: RepositoryPast): Promise<boolean> {
  const { destination, target, tally, onProblem, signal, keepsTags } = run;
  if (!history || history.length === 0 || keepsTags) return false;
  try {
    const conflicts = await destination.replay(target, history);
    for (const { tag, reason } of conflicts) {
      tally.note(`the history of ${target}:${tag} was not written: ${reason}`);
    }
    return true;
  } catch (error) {
    signal.throwIfAborted();
    if (!isRegistryError(error, "UNSUPPORTED", "DENIED", "UNAUTHORIZED")) onProblem({ where: target, error });
    else {
      const why = error instanceof Error ? error.message : String(error);
      tally.note(
        `the history of tags stayed behind: only an administrator of a Berth can write it at ${destination.name} (${why})`,
      );
    }
    return false;
  }
}

/** Removes what was removed at the source since the archive before. What cannot be removed is a problem, the rest goes. */
export async function removeGone(run: RepositoryRun, past: RepositoryPast): Promise<void> {
  const { destination, target, tally, onProblem, signal, keepsTags, stop } = run;
  if (keepsTags) return;
  const { registry } = destination;
  for (const tag of past.removedTags) {
    if (stop.reason) return;
    try {
      if ((await digestAt(run, tag)) === undefined) continue;
      await registry.deleteTag(target, tag, { signal });
      tally.removed();
    } catch (error) {
      signal.throwIfAborted();
      onProblem({ where: `${target}:${tag}`, error });
    }
  }
  for (let left = past.removedManifests; left.length > 0 && !stop.reason; ) {
    const refused = await removeManifests(run, left);
    const digests = [...refused.keys()];
    if (digests.length === left.length) {
      for (const [digest, error] of refused) onProblem({ where: `${target}@${digest}`, error });
      return;
    }
    left = digests;
  }
}

/** What an index lists can go once the index has. @returns what has to wait, and why */
async function removeManifests(
  { destination, target, tally, signal, onProblem, stop }: RepositoryRun,
  digests: readonly Digest[],
): Promise<ReadonlyMap<Digest, unknown>> {
  const refused = new Map<Digest, unknown>();
  for (const digest of digests) {
    if (stop.reason) break;
    try {
      await destination.registry.deleteManifest(target, digest, { signal });
      tally.removed();
    } catch (error) {
      signal.throwIfAborted();
      if (isRegistryError(error, "UNSUPPORTED")) refused.set(digest, error);
      else if (!isRegistryError(error, "MANIFEST_UNKNOWN", "NAME_UNKNOWN"))
        onProblem({ where: `${target}@${digest}`, error });
    }
  }
  return refused;
}
