import type { Digest } from "../../oci/digests.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";

/** By what collection decides. */
export interface CollectionRules {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** What was removed can be brought back for so long, in milliseconds. */
  readonly graceMs: number;
}

/** What was given back. */
export interface Collected {
  /** Removed manifests that can no longer be brought back. */
  readonly manifests: number;
  /** Repositories' claims on blobs. */
  readonly links: number;
  readonly blobs: number;
  /** Bytes of these blobs. */
  readonly bytes: number;
}

/** One repository that has, or had, a blob. */
export interface LinkFacts {
  readonly repository: RepositoryName;
  /** A manifest of the repository that names it. */
  readonly manifest?: Digest;
  /** A tag that points at that manifest. */
  readonly tag?: Tag;
  /** Somebody deleted the blob from the repository. */
  readonly isDeleted: boolean;
  /** Until when somebody may count on it who uploaded or mounted it, or was told that it exists. */
  readonly heldUntil?: Date;
}

/** A removed manifest that needs a blob if it is brought back. */
export interface RemovedUse {
  readonly repository: RepositoryName;
  readonly manifest: Digest;
  readonly removedAt: Date;
}

/** All that a blob's case is decided by. */
export interface BlobFacts {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** Whether it is known that its bytes are not there: it gives back none. */
  readonly isLost: boolean;
  readonly links: readonly LinkFacts[];
  readonly removedUses: readonly RemovedUse[];
}

/** What becomes of a blob. */
export type BlobFate =
  | { readonly kind: "kept" }
  /** Nothing needs it; it goes at the first run from `at` on. */
  | { readonly kind: "goes"; readonly at: Date };

/** What of one repository's claim on a blob is known in the transaction that decides. */
export interface ReviewedLink {
  readonly isNamed: boolean;
  readonly isNamedByRemoved: boolean;
  readonly isDeleted: boolean;
}

/**
 * What becomes of a repository's claim on a blob on which nobody may count any more: `named` by a manifest, it is no longer
 * reviewed; a removed manifest that `waits` has it reviewed again when its time is over; `unneeded`, the claim goes; and the
 * blob itself, if nobody else has one.
 */
export function reviewLink(link: ReviewedLink): "named" | "waits" | "unneeded" {
  if (link.isNamed && !link.isDeleted) return "named";
  return link.isNamedByRemoved ? "waits" : "unneeded";
}

/** What becomes of a blob, for people and for plans: the same as reviews of all its links lead to. */
export function fateOf({ links, removedUses }: BlobFacts, { graceMs }: CollectionRules): BlobFate {
  const present = links.filter(({ isDeleted }) => !isDeleted);
  if (present.some(({ manifest }) => manifest !== undefined)) return { kind: "kept" };
  const times = [
    ...present.map(({ heldUntil }) => heldUntil?.getTime() ?? 0),
    ...removedUses.map(({ removedAt }) => removedAt.getTime() + graceMs),
  ];
  return { kind: "goes", at: new Date(Math.max(0, ...times)) };
}

/** A manifest in one repository, there or removed. */
export type ManifestFacts =
  | {
      readonly kind: "present";
      readonly repository: RepositoryName;
      readonly tags: readonly Tag[];
      /** An index of the repository that lists it. */
      readonly index?: Digest;
      /** What it refers to, if it does. */
      readonly subject?: Digest;
    }
  | {
      readonly kind: "removed";
      readonly repository: RepositoryName;
      readonly removedAt: Date;
      readonly actor: string;
    };
