import type { Digest } from "../../oci/digests.ts";
import { isRegistryError } from "../../oci/errors.ts";
import { isManifestType } from "../../oci/media-types.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";
import { forEachBounded } from "../../registry/concurrency.ts";
import type { CopyEvent } from "../../registry/copy/events.ts";
import { copy } from "../../registry/copy.ts";
import type { Registry } from "../../registry/registry.ts";
import type { ImportDestination } from "./destination.ts";
import type { ImportOptions } from "./options.ts";
import { placeText, type Tally } from "./report.ts";
import { sendingOnce } from "./sending.ts";
import type { ImportSource, OnProblem, SourceContents, SourceRepository, SourceTag } from "./source.ts";
import type { Stop } from "./stop.ts";
import { chooseTags } from "./wanted.ts";

/** One repository on its way. */
export interface RepositoryRun extends ImportOptions {
  readonly destination: ImportDestination;
  /** Its name at the destination. */
  readonly target: RepositoryName;
  readonly tally: Tally;
  readonly onProblem: OnProblem;
  readonly stop: Stop;
}

/** A manifest that is to be copied, and the tags that shall point at it. */
interface Group {
  readonly digest: Digest;
  /** Tags that do not point at it yet, by whether the destination has them. */
  readonly tags: readonly GroupTag[];
}

type Fate = "new" | "moved";

interface GroupTag extends SourceTag {
  readonly tag: Tag;
  readonly fate: Fate;
}

/** Imports one repository; what cannot be is a problem, and the rest is done. */
export async function importRepository(
  run: RepositoryRun,
  source: ImportSource,
  from: SourceRepository,
): Promise<void> {
  const { onProblem, stop } = run;
  let contents: SourceContents;
  try {
    contents = await from.contents(onProblem);
  } catch (error) {
    return onProblem({ where: from.repository, error });
  }
  const chosen = chooseTags(contents.tags, run.wanted);
  const groups = await groupTags(run, chosen);
  const seen = new Set<Digest>();
  const isListed = source.listsManifests && run.wanted.everyTag;
  const { registry, sending } = run.destination;
  const copied: Copied = {
    seen,
    referrers: run.referrers && !isListed,
    registry: sendingOnce(registry, sending, (size) => run.tally.blob("sent", size)),
    tags: new Map(),
  };
  const copyAll = (all: readonly Group[]): Promise<void> =>
    forEachBounded(all, run.destination.bounds.manifests, async (group) => {
      if (stop.reason) return run.tally.tag("failed", group.tags.length);
      await copyGroup(run, from, group, copied);
    });
  await copyAll(groups);
  const rest = contents.manifests.filter((digest) => !seen.has(digest));
  await copyAll(rest.map((digest) => ({ digest, tags: [] })));
  if (copied.tags.size > 0) await setTags(run, copied.tags);
}

/** Brings tags together that point at one manifest, and finds those that the destination has. */
async function groupTags(run: RepositoryRun, tags: ReadonlyMap<Tag, SourceTag>): Promise<readonly Group[]> {
  const { destination, target, keepsTags, tally, onProblem, signal } = run;
  const groups = new Map<Digest, { digest: Digest; tags: GroupTag[] }>();
  await forEachBounded([...tags], destination.bounds.manifests, async ([tag, from]) => {
    const { digest } = from;
    const group = groups.get(digest) ?? { digest, tags: [] };
    groups.set(digest, group);
    try {
      const found = await digestAt(run, tag);
      if (found === digest) return tally.tag("same");
      if (found !== undefined && keepsTags) return tally.tag("kept");
      group.tags.push({ ...from, tag, fate: found === undefined ? "new" : "moved" });
    } catch (error) {
      signal.throwIfAborted();
      tally.tag("failed");
      onProblem({ where: `${target}:${tag}`, error });
    }
  });
  return [...groups.values()];
}

/** Where a tag points at the destination. */
async function digestAt(
  { destination, target, signal }: RepositoryRun,
  tag: Tag,
): Promise<Digest | undefined> {
  try {
    return (await destination.registry.resolveTag(target, tag, { signal })).digest;
  } catch (error) {
    if (isRegistryError(error, "MANIFEST_UNKNOWN") || isRegistryError(error, "NAME_UNKNOWN"))
      return undefined;
    throw error;
  }
}

interface Copied {
  /** Manifests that are at the destination now. */
  readonly seen: Set<Digest>;
  readonly referrers: boolean;
  /** The destination's. */
  readonly registry: Registry;
  /** Tags whose manifests are there, and that are set afterwards, where the destination has a way to. */
  readonly tags: Map<Tag, SourceTag & { readonly fate: Fate }>;
}

/** Points tags at what was copied, with the times of the source. */
async function setTags(run: RepositoryRun, tags: Copied["tags"]): Promise<void> {
  const { destination, target, tally, dryRun } = run;
  try {
    if (!dryRun) await destination.setTags?.(target, tags);
    for (const { fate } of tags.values()) tally.tag(fate);
  } catch (error) {
    run.signal.throwIfAborted();
    tally.tag("failed", tags.size);
    run.onProblem({ where: target, error });
  }
}

async function copyGroup(
  run: RepositoryRun,
  from: SourceRepository,
  { digest, tags }: Group,
  { seen, referrers, registry: destinationRegistry, tags: later }: Copied,
): Promise<void> {
  const { destination, target, dryRun, signal, tally, stop } = run;
  const { registry, repository } = from;
  const names = tags.map(({ tag }) => tag);
  try {
    if (!dryRun) {
      const platforms = (await from.platformsOf?.(digest)) ?? [];
      const place = { registry: destinationRegistry, repository: target };
      await copy(
        { registry, repository, digest },
        { ...place, tags: destination.setTags ? [] : names },
        {
          ...{ platforms, referrers, signal },
          mountsFrom: destination.mountsFrom,
          onEvent: (event) => onCopyEvent(run, seen, event),
        },
      );
    }
    for (const { tag, ...rest } of tags) {
      if (destination.setTags) later.set(tag, rest);
      else tally.tag(rest.fate);
    }
    stop.succeed();
  } catch (error) {
    signal.throwIfAborted();
    tally.tag("failed", names.length);
    run.onProblem({ where: placeText(repository, names, digest), error });
  }
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
