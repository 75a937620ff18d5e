import type { Digest } from "../../oci/digests.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";
import type { Page } from "../../registry/registry.ts";
import type { Eventually, KeysetPage } from "./eventually.ts";
import type { ManifestRow } from "./manifest-row.ts";
import type { StoredRules, TagCause, TagEventKind, TagPlanLine } from "./tag-policy.ts";

/** One transaction that changed a repository's tags or manifests: what happened together. */
export interface Change {
  /** Grows with each change of the whole store, in the order in which they were committed. */
  readonly id: number;
  readonly at: Date;
  readonly repository: RepositoryName;
  readonly actor: string;
  readonly kind: TagEventKind;
  /** The manifest that was pushed, deleted or brought back, if one was. */
  readonly manifest?: Digest;
  /** Tags that were made, moved or removed. */
  readonly moves: readonly TagPlanLine[];
}

/** A change as it happened in another store, of one repository. */
export type PastChange = Omit<Change, "id" | "repository">;

/** What became of changes that were replayed. */
export interface ReplayOutcome {
  /** How many were written; others were there, or changed nothing. */
  readonly applied: number;
  /** Tags that are elsewhere than a change found them: they stay, and nothing of it is written for them. */
  readonly conflicts: readonly { readonly tag: Tag; readonly reason: string }[];
}

/** One place where a tag pointed, for a time. */
export interface TagPeriod {
  readonly digest: Digest;
  readonly from: Date;
  /** Absent while it points there. */
  readonly until?: Date;
  readonly cause: TagCause;
  /** The change that began it, which says who did it and why; absent for what is older than changes are. */
  readonly change?: Change;
  /** The change that ended it. */
  readonly ended?: Change;
}

/** A tag as a list shows it. */
export interface TagListing {
  readonly tag: Tag;
  readonly since: Date;
  readonly cause: TagCause;
  readonly manifest: ManifestRow;
}

/** A deleted manifest that can be brought back. */
export interface DeletedManifest {
  readonly digest: Digest;
  readonly at: Date;
  /** Who deleted it. */
  readonly actor: string;
}

/** What somebody asks to be done to tags. */
export type TagRequest =
  /** As if a manifest were pushed with these tags; only to be planned. A new manifest has no digest yet. */
  | { readonly kind: "push"; readonly tags: readonly Tag[]; readonly digest: Digest }
  | { readonly kind: "move"; readonly tag: Tag; readonly to: Digest }
  | { readonly kind: "delete"; readonly tags: readonly Tag[] }
  /** One tag goes back to where it was before its last move that is not taken back yet. */
  | { readonly kind: "rollback"; readonly tag: Tag }
  /** All that the push of this tag moved goes back; of the last push that moved tags if none is given. */
  | { readonly kind: "rollback-release"; readonly tag?: Tag }
  | { readonly kind: "undelete"; readonly tag: Tag }
  | { readonly kind: "undelete-manifest"; readonly digest: Digest }
  /** Removes those that still point where they are said to. */
  | { readonly kind: "retention"; readonly tags: readonly { readonly tag: Tag; readonly at: Digest }[] };

/** How a request is carried out. */
export interface TagRequestOptions {
  readonly actor: string;
  /** Only plans; then a refusal is a line of the plan and not an error. */
  readonly dryRun?: boolean;
}

/** What became of a request. */
export interface TagOutcome {
  readonly lines: readonly TagPlanLine[];
  readonly notes: readonly string[];
  /** Absent when nothing changed. */
  readonly change?: number;
}

/** Which changes are listed. */
export interface ChangeQuery {
  readonly repository?: RepositoryName;
  /** Begins behind this one, in the direction of the list. */
  readonly after?: number;
  readonly limit: number;
  readonly newestFirst?: boolean;
}

/** What retention has to know of a tag. */
export interface RetentionTag {
  readonly tag: Tag;
  readonly digest: Digest;
  readonly cause: TagCause;
  /** Of one that was imported, since when it was there where it came from. */
  readonly since: Date;
  /** When what it points at came to this registry. */
  readonly arrived: Date;
}

/** What retention has to know of a manifest without a tag. */
export interface UntaggedManifest {
  readonly digest: Digest;
  /** When it was pushed, or lost its last tag. */
  readonly since: Date;
}

/** Tags, their past, and what rules are kept about them. Part of the metadata; the same promises hold. */
export interface TagMetadata {
  getTag(repository: RepositoryName, tag: Tag): Eventually<ManifestRow | undefined>;
  listTags(repository: RepositoryName, page: KeysetPage): Eventually<Page<Tag>>;
  /** @throws RegistryError NAME_UNKNOWN */
  listTagDetails(
    repository: RepositoryName,
    page: KeysetPage,
  ): Eventually<{ readonly items: readonly TagListing[]; readonly next?: string }>;
  /** Tags that could be meant by `missing`, unranked, at most about a hundred; and the newest, newest first. */
  tagsNear(
    repository: RepositoryName,
    missing: string,
  ): Eventually<{ readonly near: readonly Tag[]; readonly newest: readonly Tag[] }>;
  /**
   * Plans what is asked for and carries it out, in one transaction.
   * @throws RegistryError TAG_PROTECTED when the repository's rule refuses; MANIFEST_UNKNOWN; NAME_UNKNOWN;
   *   MANIFEST_BLOB_UNKNOWN when what shall be brought back is no longer whole
   */
  changeTags(
    repository: RepositoryName,
    request: TagRequest,
    options: TagRequestOptions,
  ): Promise<TagOutcome>;
  /**
   * Writes changes that happened elsewhere, the oldest first, with their times and actors, without asking the rule. A
   * change that is there already is passed over. What a tag pointed at and is not here is written into its past alone.
   * @throws RegistryError NAME_UNKNOWN
   */
  replayChanges(repository: RepositoryName, past: readonly PastChange[]): Promise<ReplayOutcome>;
  /** By digest. @throws RegistryError NAME_UNKNOWN */
  listDeletedManifests(
    repository: RepositoryName,
    page: KeysetPage,
  ): Eventually<{ readonly items: readonly DeletedManifest[]; readonly next?: string }>;
  /** The highest version on a line, as the repository's rule orders them; it may have to index them first. */
  highestOf(repository: RepositoryName, line: Tag): Promise<Tag | undefined>;
  /**
   * Goes on with the index of a repository's versions by the rule that it has now, for a few milliseconds. What is not
   * indexed when somebody pushes, the push has to do.
   * @returns whether the index is whole
   */
  indexVersions(repository: RepositoryName): Promise<boolean>;
  /** Where a tag pointed at a time, whether that manifest is still there or not. */
  tagAt(repository: RepositoryName, tag: Tag, at: Date): Eventually<Digest | undefined>;
  /** Where a tag pointed, the latest first; `before` is the time of the last of the page before. */
  listTagPeriods(
    repository: RepositoryName,
    tag: Tag,
    page: { readonly skip: number; readonly limit: number },
  ): Eventually<readonly TagPeriod[]>;
  listChanges(query: ChangeQuery): Eventually<readonly Change[]>;
  /** The id of the last change; 0 when there never was one. */
  lastChange(): Eventually<number>;
  getTagRules(): Eventually<StoredRules>;
  /** Replaces all rules. @throws RegistryError REQUEST_INVALID when `version` is no longer the present one */
  putTagRules(text: string, version: number, actor: string): Promise<StoredRules>;
  /** Adds to when manifests were pulled; a time never goes back. */
  recordPulls(pulls: readonly PullRecord[]): Promise<void>;
  /** When manifests of a repository were pulled last, as far as that was written down. */
  listPulls(repository: RepositoryName): Eventually<ReadonlyMap<Digest, Date>>;
  /** Every tag of a repository. */
  listRetentionTags(repository: RepositoryName): Eventually<readonly RetentionTag[]>;
  /** Manifests that tags pointed at until some time after `since`, and when the last did. */
  listFormerTargets(repository: RepositoryName, since: Date): Eventually<ReadonlyMap<Digest, Date>>;
  /** Manifests without a tag that no index lists and whose subject, if any, is not there. */
  listUntagged(repository: RepositoryName): Eventually<readonly UntaggedManifest[]>;
}

/** A manifest was pulled. */
export interface PullRecord {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  readonly at: Date;
}
