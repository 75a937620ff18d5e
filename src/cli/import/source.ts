import type { Platform } from "../../oci/descriptors.ts";
import type { Digest } from "../../oci/digests.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";
import type { Place } from "../../registry/copy/place.ts";
import type { PastChange } from "../../store/metadata/tags.ts";

/** Something of a source that cannot be imported. */
export interface Problem {
  /** What it is: a repository, a tag, a manifest. */
  readonly where: string;
  readonly error: unknown;
}

/** Told of each problem; the rest goes on. */
export type OnProblem = (problem: Problem) => void;

/** Where a tag of a source points. */
export interface SourceTag {
  readonly digest: Digest;
  /** Since when, where the source says so. */
  readonly since?: Date;
}

/** What a repository of a source holds, as far as the source can tell. */
export interface SourceContents {
  readonly tags: ReadonlyMap<Tag, SourceTag>;
  /** Manifests that are to be imported whether a tag leads to them or not. */
  readonly manifests: readonly Digest[];
}

/** A repository of a source. */
export interface SourceRepository extends Place {
  /** What it is called at the destination, before any prefix; absent where the source gives its images no name. */
  readonly name?: RepositoryName;
  contents(onProblem: OnProblem): Promise<SourceContents>;
  /** The platforms of an index to take, where a source has not all that it lists; all, if absent or empty. */
  platformsOf?(digest: Digest): Promise<readonly Platform[]>;
  /** What an exported archive says besides. */
  readonly past?: RepositoryPast;
}

/** What happened to a repository before it was exported, and since the archive that was exported before. */
export interface RepositoryPast {
  /** Whether a manifest is in the archive; what is not has been imported from the one before. */
  isIn(digest: Digest): boolean;
  readonly isIncremental: boolean;
  /** The oldest first; absent where the registry kept none. */
  readonly history?: readonly PastChange[];
  readonly removedTags: readonly Tag[];
  readonly removedManifests: readonly Digest[];
}

/** Where repositories are imported from. */
export interface ImportSource {
  /** As it was given, for messages. */
  readonly name: string;
  /**
   * Whether the source lists every manifest of a repository itself, so that nobody has to look for referrers.
   */
  readonly listsManifests: boolean;
  /** Whether the source knows all its repositories, so that one that is named and not found is not there. */
  readonly listsRepositories: boolean;
  /** Blobs by repository that the destination has from an archive that was imported before. */
  readonly brought?: readonly { readonly repository: RepositoryName; readonly blobs: readonly Digest[] }[];
  /** Its repositories that are wanted, as they are found. */
  repositories(wanted: Wanted, onProblem: OnProblem): AsyncIterable<SourceRepository>;
  /** Removes what was made to read it. May be called again. */
  close(): Promise<void>;
}

/** A source that is opened when it is its turn, since what is made to read it may need much room. */
export interface NamedSource {
  /** As it was given, for messages. */
  readonly name: string;
  open(): Promise<ImportSource>;
}

/** What is to be imported. */
export interface Wanted {
  /** By the name in the source. */
  repository(name: string): boolean;
  tag(name: string): boolean;
  /** Whether every tag is wanted, and with it what has no tag. */
  readonly everyTag: boolean;
  /** Names to be taken without asking the source for a list; `undefined` when it has to be asked. */
  readonly named: readonly RepositoryName[] | undefined;
}
