import { isRegistryError } from "../../oci/errors.ts";
import type { RepositoryName } from "../../oci/names.ts";
import { matchesRepository, type RepositoryPattern } from "../../oci/repository-patterns.ts";
import { registrySource } from "../import/registry-source.ts";
import type { Wanted } from "../import/source.ts";
import { chooseTags } from "../import/wanted.ts";
import { collectRepository } from "./collect.ts";
import type { Collected } from "./collected.ts";
import type { OnDamage } from "./damage.ts";
import type { ExportDocument } from "./document.ts";
import type { ExportSource } from "./source.ts";

/** What is to be exported. */
export interface CollectAllOptions {
  readonly patterns: readonly RepositoryPattern[];
  /** Which tags of them. */
  readonly wanted: Wanted;
  readonly referrers: boolean;
  /** The archive before. */
  readonly base: ExportDocument | undefined;
  readonly signal: AbortSignal;
  readonly onDamage: OnDamage;
}

/**
 * Reads the manifests of all repositories that are wanted, also of those that the archive before had and that are gone.
 * @throws what the registry throws
 */
export async function collectAll(
  source: ExportSource,
  options: CollectAllOptions,
): Promise<readonly Collected[]> {
  const { patterns, base, wanted, referrers, signal, onDamage } = options;
  const collected = new Map<RepositoryName, Collected>();
  const collect = async (repository: RepositoryName, tags: Collected["tags"]): Promise<void> => {
    const before = base?.repositories.find((each) => each.repository === repository);
    const asked = { referrers, tag: wanted.tag, signal, onDamage };
    collected.set(repository, await collectRepository(source, repository, tags, before, asked));
  };
  for (const pattern of patterns) {
    for await (const { repository, tags } of listTagged(source, pattern, options))
      await collect(repository, tags);
  }
  for (const { repository } of base?.repositories ?? []) {
    const isLookedAt = patterns.some((pattern) => matchesRepository(pattern, repository));
    if (isLookedAt && !collected.has(repository)) await collect(repository, new Map());
  }
  return [...collected.values()];
}

interface Tagged extends Pick<Collected, "repository" | "tags"> {}

async function* listTagged(
  source: ExportSource,
  pattern: RepositoryPattern,
  { base, wanted, signal }: CollectAllOptions,
): AsyncGenerator<Tagged, void, undefined> {
  const failed = ({ error }: { readonly error: unknown }): never => {
    throw error; // an archive is whole or not at all
  };
  const listed = registrySource(source.registry, pattern, signal).repositories(wanted, failed);
  for await (const { repository, contents } of listed) {
    const isKnown = base?.repositories.some((each) => each.repository === repository);
    const found = await contents(failed).catch((error: unknown) => {
      if (!isKnown || !isRegistryError(error, "NAME_UNKNOWN")) throw error; // else it is gone since
    });
    if (!found) continue;
    const chosen = [...chooseTags(found.tags, wanted)].map(([tag, { digest }]) => [tag, digest] as const);
    yield { repository, tags: new Map(chosen) };
  }
}
