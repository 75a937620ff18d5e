import type { Digest } from "../../oci/digests.ts";
import { isRegistryError, RegistryError } from "../../oci/errors.ts";
import { isManifestType } from "../../oci/media-types.ts";
import type { CopyEvent } from "../../registry/copy/events.ts";
import type { Place } from "../../registry/copy/place.ts";
import { copy } from "../../registry/copy.ts";
import { placeText } from "./report.ts";
import type { Group, RepositoryRun, WantedTag } from "./repository-run.ts";
import { sendingOnce } from "./sending.ts";
import type { SourceRepository } from "./source.ts";

/** Copies manifests of one repository. */
export interface Copies {
  /** Manifests that are at the destination now. */
  readonly seen: ReadonlySet<Digest>;
  /** Tags whose manifests are there, and that have to be set yet. */
  readonly tags: readonly WantedTag[];
  /** Copies a manifest with all that it needs; a failure is a problem of the run. */
  copy(group: Group): Promise<void>;
}

/** Begins to copy. Tags are pushed along, unless they have to wait for their history, or are set with their times. */
export function createCopies(
  run: RepositoryRun,
  from: SourceRepository,
  { referrers }: { readonly referrers: boolean },
): Copies {
  const { destination, target, dryRun, signal, tally, stop } = run;
  const seen = new Set<Digest>();
  const later: WantedTag[] = [];
  const waits = dryRun || destination.setTags !== undefined || from.past !== undefined;
  const registry = sendingOnce(destination.registry, destination.sending, (size) => tally.blob("sent", size));
  const place: Place = { registry, repository: target };

  const copyOne = async ({ digest, tags }: Group): Promise<Digest> => {
    const platforms = (await from.platformsOf?.(digest)) ?? [];
    const { descriptor } = await copy(
      { ...sourceOf(run, from, digest), digest },
      { ...place, tags: waits ? [] : tags.map(({ tag }) => tag) },
      {
        ...{ platforms, referrers, signal },
        mountsFrom: destination.mountsFrom,
        onEvent: (event) => onCopyEvent(run, seen, event),
      },
    );
    return descriptor.digest;
  };

  const copyGroup = async (group: Group): Promise<void> => {
    try {
      const digest = dryRun ? group.digest : await copyOne(group);
      for (const each of group.tags) {
        if (waits) later.push({ ...each, digest });
        else tally.tag(each.fate);
      }
      stop.succeed();
    } catch (error) {
      signal.throwIfAborted();
      // One tag that may not move has kept the others from moving.
      if (isRegistryError(error, "TAG_PROTECTED") && group.tags.length > 1) {
        for (const each of group.tags) await copyGroup({ ...group, tags: [each] });
        return;
      }
      const names = group.tags.map(({ tag }) => tag);
      tally.tag("failed", names.length);
      const where = placeText(from.name ?? run.target, names, group.digest);
      run.onProblem({ where, error: explained(from, error) });
    }
  };

  return { seen, tags: later, copy: copyGroup };
}

/** What an incremental archive does not hold is at the destination. */
function sourceOf({ destination, target }: RepositoryRun, from: SourceRepository, digest: Digest): Place {
  if (from.past?.isIn(digest) ?? true) return from;
  return { registry: destination.registry, repository: target };
}

function explained({ past }: SourceRepository, error: unknown): unknown {
  const isMissing = isRegistryError(error, "MANIFEST_UNKNOWN", "BLOB_UNKNOWN", "NAME_UNKNOWN");
  if (!past?.isIncremental || !isMissing) return error;
  return new RegistryError(
    error.code,
    `${error.message}: this archive holds what changed since another, import that one first`,
    { cause: error },
  );
}

function onCopyEvent(
  { tally, destination, target, onEvent }: RepositoryRun,
  seen: Set<Digest>,
  event: CopyEvent,
): void {
  const { state, descriptor } = event;
  onEvent(event);
  if (state === "waiting" || state === "bytes") return;
  if (isManifestType(descriptor.mediaType)) {
    if (state === "done" && !seen.has(descriptor.digest)) tally.manifest();
    seen.add(descriptor.digest);
    return;
  }
  destination.holds(descriptor.digest, target);
  if (state === "mounted") tally.blob("mounted", descriptor.size);
}
