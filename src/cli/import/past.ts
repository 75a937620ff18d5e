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

/** Removes what was removed at the source since the archive before. */
export async function removeGone(run: RepositoryRun, past: RepositoryPast): Promise<void> {
  const { destination, target, tally, onProblem, signal, keepsTags } = run;
  if (keepsTags) return;
  const { registry } = destination;
  try {
    for (const tag of past.removedTags) {
      if ((await digestAt(run, tag)) === undefined) continue;
      await registry.deleteTag(target, tag, { signal });
      tally.removed();
    }
    for (let left = past.removedManifests; left.length > 0; ) {
      const refused = await removeManifests(run, left);
      if (refused.length === left.length) throw refused[0]?.error;
      left = refused.map(({ digest }) => digest);
    }
  } catch (error) {
    signal.throwIfAborted();
    onProblem({ where: target, error });
  }
}

/** What an index lists can go once the index has. @returns what has to wait */
async function removeManifests(
  { destination, target, tally, signal }: RepositoryRun,
  digests: readonly Digest[],
): Promise<readonly { readonly digest: Digest; readonly error: unknown }[]> {
  const refused: { digest: Digest; error: unknown }[] = [];
  for (const digest of digests) {
    try {
      await destination.registry.deleteManifest(target, digest, { signal });
      tally.removed();
    } catch (error) {
      if (isRegistryError(error, "UNSUPPORTED")) refused.push({ digest, error });
      else if (!isRegistryError(error, "MANIFEST_UNKNOWN", "NAME_UNKNOWN")) throw error;
    }
  }
  return refused;
}
