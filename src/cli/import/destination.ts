import type { Digest } from "../../oci/digests.ts";
import type { RegistryError } from "../../oci/errors.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";
import type { Registry } from "../../registry/registry.ts";
import type { Taken } from "../../store/local-files.ts";
import type { PastChange, ReplayOutcome } from "../../store/metadata/tags.ts";
import type { Sending } from "./sending.ts";
import type { SourceTag } from "./source.ts";

/** Where repositories are imported to. */
export interface ImportDestination {
  /** For messages: a registry, or a folder. */
  readonly name: string;
  readonly registry: Registry;
  /** Repositories of it that may hold a blob. */
  mountsFrom(digest: Digest): readonly (RepositoryName | undefined)[];
  /** What several copies are sending to it. */
  readonly sending: Sending;
  /** Told where a blob is now. */
  holds(digest: Digest, repository: RepositoryName): void;
  /**
   * Points tags at manifests that are there, with the times at which the source did; absent where a tag can only be
   * pushed now. Resolves to why some could not be, by tag.
   */
  setTags?(
    repository: RepositoryName,
    tags: ReadonlyMap<Tag, SourceTag>,
  ): Promise<ReadonlyMap<Tag, RegistryError>>;
  /**
   * Writes what happened to tags into their history. @throws RegistryError UNSUPPORTED where there is no history, DENIED
   * where the caller may not
   */
  replay(repository: RepositoryName, past: readonly PastChange[]): Promise<readonly Conflict[]>;
  /** How many repositories and manifests of one are imported at a time. */
  readonly bounds: { readonly repositories: number; readonly manifests: number };
  /** How the bytes of blobs came into a data folder. */
  readonly files?: Readonly<Record<Taken, { readonly blobs: number; readonly bytes: number }>>;
}

/** A tag that is elsewhere than its history says. */
export type Conflict = ReplayOutcome["conflicts"][number];

/** A registry as a destination, by its API. @param replay writes history, if it keeps any */
export function registryDestination(
  name: string,
  registry: Registry,
  replay: ImportDestination["replay"],
): ImportDestination {
  const holders = new Map<Digest, RepositoryName>();
  return {
    name,
    registry,
    mountsFrom(digest) {
      const holder = holders.get(digest);
      return holder ? [holder] : [];
    },
    holds: (digest, repository) => void holders.set(digest, repository),
    sending: new Map(),
    replay,
    bounds: { repositories: 2, manifests: 4 },
  };
}
