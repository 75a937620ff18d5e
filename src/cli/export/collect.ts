import type { Client } from "../../client/client.ts";
import { type Gathered, gather, type ImageToSave } from "../../layout/archive/gather.ts";
import { hostPlatform } from "../../layout/archive/write.ts";
import type { Digest } from "../../oci/digests.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";
import { forEachBounded } from "../../registry/concurrency.ts";
import { isFound } from "../../registry/copy/run.ts";
import { allItems } from "../pages.ts";
import type { ExportedRepository } from "./document.ts";
import { type History, readHistory } from "./history.ts";

/** A repository as it is now, for an archive. */
export interface Collected {
  readonly repository: RepositoryName;
  readonly tags: ReadonlyMap<Tag, Digest>;
  readonly gathered: Gathered;
  readonly history: History | undefined;
}

/** What is asked for of each repository. */
export interface CollectOptions {
  readonly referrers: boolean;
  /** Which tags' history is wanted. */
  readonly tag: (name: string) => boolean;
  readonly signal: AbortSignal;
}

const lookupBound = 8;

/**
 * Reads the manifests of a repository: those of its tags, what refers to them, and what its tags pointed at before, as
 * far as it is there.
 * @throws what the registry throws: an archive is whole or not at all
 */
export async function collectRepository(
  client: Client,
  repository: RepositoryName,
  tags: ReadonlyMap<Tag, Digest>,
  before: ExportedRepository | undefined,
  { referrers, tag, signal }: CollectOptions,
): Promise<Collected> {
  const history = await readHistory(client, repository, before?.lastChange ?? 0, { tag, signal });
  const tagged = new Set(tags.values());
  const wanted = new Set<Digest>();
  const past = new Set((history?.changes ?? []).flatMap(({ moves }) => moves.flatMap(({ to }) => to ?? [])));
  const earlier = [...past, ...(before?.manifests ?? [])].filter((digest) => !tagged.has(digest));
  await forEachBounded([...new Set(earlier)], lookupBound, async (digest) => {
    if (await isThere(client, repository, digest, signal)) wanted.add(digest);
  });
  const registry = client.registry;
  const named = [...tags].map(
    ([name, digest]): ImageToSave => ({
      registry: client,
      repository,
      digest,
      name: { registry, repository, tag: name },
    }),
  );
  const gatherMore = (images: readonly ImageToSave[]): Promise<Gathered> =>
    gather(images, { platform: hostPlatform, signal });
  const unnamed = (digests: Iterable<Digest>): readonly ImageToSave[] =>
    [...digests].map((digest) => ({ registry: client, repository, digest }));
  let gathered = await gatherMore([...named, ...unnamed(wanted)]);
  for (const asked = new Set<Digest>(); referrers; ) {
    const subjects = [...gathered.manifests.keys()].filter((digest) => !asked.has(digest));
    if (subjects.length === 0) break;
    const found = await referrersOf(client, repository, subjects, signal);
    for (const subject of subjects) asked.add(subject);
    gathered = merged(gathered, await gatherMore(unnamed(found)));
  }
  return { repository, tags, gathered, history };
}

async function referrersOf(
  client: Client,
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

function merged(one: Gathered, other: Gathered): Gathered {
  return {
    tops: [...one.tops, ...other.tops],
    manifests: new Map([...one.manifests, ...other.manifests]),
    blobs: new Map([...one.blobs, ...other.blobs]),
    runnable: one.runnable,
  };
}

/** Whether a manifest is there: what is named in a past, or in a list that a client keeps, may be gone. */
export async function isThere(
  client: Client,
  repository: RepositoryName,
  digest: Digest,
  signal: AbortSignal,
): Promise<boolean> {
  return isFound(client.resolveManifest(repository, digest, { signal }));
}
