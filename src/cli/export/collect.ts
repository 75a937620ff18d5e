import type { ImageToSave } from "../../layout/archive/gather.ts";
import type { Digest } from "../../oci/digests.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";
import { forEachBounded } from "../../registry/concurrency.ts";
import { isFound } from "../../registry/copy/run.ts";
import type { Registry } from "../../registry/registry.ts";
import { allItems } from "../pages.ts";
import type { Collected } from "./collected.ts";
import { gatherWhole, merged, type OnDamage } from "./damage.ts";
import type { ExportedRepository } from "./document.ts";
import { historyOf } from "./history.ts";
import type { ExportSource } from "./source.ts";

/** What is asked for of each repository. */
export interface CollectOptions {
  readonly referrers: boolean;
  /** Which tags' history is wanted. */
  readonly tag: (name: string) => boolean;
  readonly signal: AbortSignal;
  /** Told of images that cannot be read. */
  readonly onDamage: OnDamage;
}

const lookupBound = 8;

/**
 * Reads the manifests of a repository: those of its tags, what refers to them, and what its tags pointed at before, as
 * far as it is there.
 * @throws what the registry throws when it cannot be asked
 */
export async function collectRepository(
  source: ExportSource,
  repository: RepositoryName,
  tags: ReadonlyMap<Tag, Digest>,
  before: ExportedRepository | undefined,
  { referrers, tag, signal, onDamage }: CollectOptions,
): Promise<Collected> {
  const { registry: client } = source;
  const after = before?.lastChange ?? 0;
  const changes = await source.readHistory(repository, after);
  const history = changes && historyOf(changes, after, tag);
  const tagged = new Set(tags.values());
  const wanted = new Set<Digest>();
  const past = new Set((history?.changes ?? []).flatMap(({ moves }) => moves.flatMap(({ to }) => to ?? [])));
  const earlier = [...past, ...(before?.manifests ?? [])].filter((digest) => !tagged.has(digest));
  await forEachBounded([...new Set(earlier)], lookupBound, async (digest) => {
    if (await isThere(client, repository, digest, signal)) wanted.add(digest);
  });
  const named = [...tags].map(
    ([name, digest]): ImageToSave => ({
      registry: client,
      repository,
      digest,
      name: { registry: client.registry, repository, tag: name },
    }),
  );
  const unnamed = (digests: Iterable<Digest>): readonly ImageToSave[] =>
    [...digests].map((digest) => ({ registry: client, repository, digest }));
  const found = await gatherWhole([...named, ...unnamed(wanted)], signal, onDamage);
  const leftOut = new Set(found.leftOut.flatMap(({ name }) => name?.tag ?? []));
  let { gathered } = found;
  for (const asked = new Set<Digest>(); referrers; ) {
    // What is gone may be referred to nevertheless.
    const known = new Set([...gathered.manifests.keys(), ...earlier]);
    const subjects = [...known].filter((digest) => !asked.has(digest));
    if (subjects.length === 0) break;
    const referring = await referrersOf(client, repository, subjects, signal);
    for (const subject of subjects) asked.add(subject);
    const more = await gatherWhole(unnamed(referring), signal, onDamage);
    gathered = merged(gathered, more.gathered);
  }
  const gone = before?.manifests.filter((digest) => !tagged.has(digest) && !wanted.has(digest)) ?? [];
  const whole = new Map([...tags].filter(([name]) => !leftOut.has(name)));
  return { repository, tags: whole, leftOut, gathered, history, gone };
}

async function referrersOf(
  client: Registry,
  repository: RepositoryName,
  subjects: readonly Digest[],
  signal: AbortSignal,
): Promise<ReadonlySet<Digest>> {
  const found = new Set<Digest>();
  await forEachBounded(subjects, lookupBound, async (subject) => {
    const listed = allItems((page) => client.listReferrers(repository, subject, page), signal);
    for await (const { digest } of listed) {
      if (await isThere(client, repository, digest, signal)) found.add(digest);
    }
  });
  return found;
}

/** Whether a manifest is there: what is named in a past, or in a list that a client keeps, may be gone. */
async function isThere(
  client: Registry,
  repository: RepositoryName,
  digest: Digest,
  signal: AbortSignal,
): Promise<boolean> {
  return isFound(client.resolveManifest(repository, digest, { signal }));
}
