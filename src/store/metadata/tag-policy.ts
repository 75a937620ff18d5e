import type { Digest } from "../../oci/digests.ts";
import type { RepositoryName, Tag } from "../../oci/names.ts";

/**
 * What the store asks about tags inside the transaction that changes them, and what it is told.
 *
 * A policy is pure and asks everything at once, so that a metadata database which has to be waited for needs one round
 * trip: the event gives questions, the answers are facts, event and facts give a plan, and the store carries it out.
 */
export interface TagPolicy {
  /** The order of full versions that the store keeps an index of; none if absent. */
  readonly versions?: VersionOrder;
  /** What has to be known to plan an event. */
  ask(event: TagEvent): TagQuestions;
  plan(event: TagEvent, facts: TagFacts): TagPlan;
}

/** Gives each repository its policy. `stored` are rules kept in the metadata. */
export type TagPolicies = (repository: RepositoryName, stored: StoredRules) => TagPolicy;

/** Rules as text, which only a policy reads. */
export interface StoredRules {
  /** Grows with each change. 0 when there never were any. */
  readonly version: number;
  readonly text: string;
}

/** How full versions are ordered, and on which lines. */
export interface VersionOrder {
  /** Changes when `place` would answer otherwise: the store then indexes the repository anew. */
  readonly id: string;
  /** Where a tag stands; undefined when it is no full version or on no line. */
  place(tag: Tag): VersionPlace | undefined;
}

/** A full version's place among others. */
export interface VersionPlace {
  /** ASCII; of two versions on one line, the one with the greater key, byte by byte, is the higher. */
  readonly key: string;
  /** The lines that the version is on, each by the name of its floating tag. */
  readonly lines: readonly Tag[];
}

/** What is done to tags. */
export const tagEventKinds = ["push", "move", "delete", "rollback", "retention", "undelete"] as const;
export type TagEventKind = (typeof tagEventKinds)[number];
/** Why a tag is where it is: somebody did it, or a rule followed. */
export type TagCause = TagEventKind | "rule";

/** One tag that an event wants to change. */
export interface TagChange {
  readonly tag: Tag;
  /** Where it shall point; undefined to remove it. */
  readonly to: Digest | undefined;
  /** Why the tag was there before, when it goes back to where it was. */
  readonly was?: TagCause;
}

/** Something that is to happen to tags of one repository. */
export interface TagEvent {
  readonly kind: TagEventKind;
  /**
   * What is asked for: one tag after the other, a manifest that goes with all its tags, or a release that is taken back,
   * for which floating tags are told where they were before.
   */
  readonly scope: "tags" | "manifest" | "release";
  readonly changes: readonly TagChange[];
}

/** What a policy has to know. */
export interface TagQuestions {
  readonly tags: readonly Tag[];
  /** Tags of which it matters where they pointed before they were removed. */
  readonly pasts: readonly Tag[];
  /** Lines of which the highest version is asked for that the event does not change. */
  readonly lines: readonly Tag[];
}

/** A tag as it stands. */
export interface TagState {
  readonly digest: Digest;
  readonly cause: TagCause;
}

/** The highest version of a line. */
export interface LineHead {
  readonly tag: Tag;
  readonly digest: Digest;
  readonly key: string;
}

/** The answers. What does not exist is not in the maps. */
export interface TagFacts {
  readonly tags: ReadonlyMap<Tag, TagState>;
  /** Where tags pointed that were removed. */
  readonly pasts: ReadonlyMap<Tag, Digest>;
  readonly heads: ReadonlyMap<Tag, LineHead>;
}

/** What happens to one tag, or why nothing does. */
export interface TagPlanLine {
  readonly tag: Tag;
  readonly action: "create" | "move" | "remove" | "keep" | "refuse";
  readonly from?: Digest;
  readonly to?: Digest;
  readonly cause: TagCause;
  /** For people: part of a sentence. */
  readonly reason: string;
}

/** What an event leads to. With a line that refuses, nothing of it happens. */
export interface TagPlan {
  readonly lines: readonly TagPlanLine[];
  /** What the person who did it should know. */
  readonly notes: readonly string[];
}

/** A line that says what becomes of a tag, by where it is and where it shall be. */
export function planLine(
  tag: Tag,
  from: Digest | undefined,
  to: Digest | undefined,
  cause: TagCause,
  reason: string,
): TagPlanLine {
  const action = from === to ? "keep" : from === undefined ? "create" : to === undefined ? "remove" : "move";
  return {
    tag,
    action,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    cause,
    reason,
  };
}

const doneBy: Readonly<Record<TagEventKind, string>> = {
  push: "pushed",
  move: "moved by hand",
  delete: "deleted",
  rollback: "rolled back",
  retention: "no longer retained",
  undelete: "brought back",
};

/** The policy of repositories without a rule: what is asked for happens, and nothing else. */
export const plainPolicy: TagPolicy = {
  ask: ({ changes }) => ({ tags: changes.map(({ tag }) => tag), pasts: [], lines: [] }),
  plan: ({ kind, changes }, { tags }) => ({
    lines: changes.map(({ tag, to }) => {
      const from = tags.get(tag)?.digest;
      return planLine(tag, from, to, kind, from === to ? "is there already" : doneBy[kind]);
    }),
    notes: [],
  }),
};

/** What an event did to the tag that it was about, as a plan's reason. */
export function reasonOf(kind: TagEventKind): string {
  return doneBy[kind];
}
