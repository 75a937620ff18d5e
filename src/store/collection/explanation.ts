import type { Digest } from "../../oci/digests.ts";
import type { CollectionMetadata } from "../metadata/collection.ts";
import {
  type BlobFacts,
  type CollectionRules,
  fateOf,
  type LinkFacts,
  type ManifestFacts,
} from "../metadata/collection-decisions.ts";

/** What keeps something, or until when it stays. */
export interface Explanation {
  readonly digest: Digest;
  readonly kind: "manifest" | "blob";
  /** `kept`: somebody needs it; `goes`: nothing does, it goes at `at`; `unknown`: it is not here. */
  readonly state: "kept" | "goes" | "unknown";
  /** When it can go at the earliest. */
  readonly at?: Date;
  /** Bytes, of a blob. */
  readonly size?: number;
  /** Whether it is known that a blob's bytes are not there any more. */
  readonly isLost?: boolean;
  readonly reasons: readonly Reason[];
}

/** One reason: part of a sentence about one repository. */
export interface Reason {
  readonly repository: string;
  readonly why: string;
  /** As long as it holds for a time alone. */
  readonly until?: Date;
}

/** How many repositories are named. */
const mostNamed = 20;

/** Says of a digest what keeps it, as blob, as manifest, or as both. */
export async function explain(
  metadata: CollectionMetadata,
  digest: Digest,
  rules: CollectionRules,
): Promise<readonly Explanation[]> {
  const manifests = await metadata.manifestFacts(digest, mostNamed);
  const blob = await metadata.blobFacts(digest, mostNamed);
  const found = [
    ...(manifests.length > 0 ? [explainManifest(digest, manifests, rules)] : []),
    ...(blob ? [explainBlob(blob, rules)] : []),
  ];
  return found.length > 0 ? found : [{ digest, kind: "blob", state: "unknown", reasons: [] }];
}

export function explainManifest(
  digest: Digest,
  facts: readonly ManifestFacts[],
  { graceMs }: CollectionRules,
): Explanation {
  const reasons = facts.map((each): Reason => {
    const { repository } = each;
    if (each.kind === "present") return { repository, why: whyPresent(each) };
    const until = new Date(each.removedAt.getTime() + graceMs);
    return { repository, why: `deleted by ${each.actor}, can be brought back`, until };
  });
  const ends = reasons.map(({ until }) => until);
  if (ends.includes(undefined)) return { digest, kind: "manifest", state: "kept", reasons };
  return { digest, kind: "manifest", state: "goes", at: latest(ends), reasons };
}

function whyPresent({ tags, index, subject }: ManifestFacts & { readonly kind: "present" }): string {
  const whys = [
    ...(tags.length > 0 ? [`has the ${tags.length === 1 ? "tag" : "tags"} ${tags.join(", ")}`] : []),
    ...(index ? [`is listed by index ${index}`] : []),
    ...(subject ? [`refers to ${subject}`] : []),
  ];
  return whys.length > 0 ? whys.join("; ") : "has no tag: kept until it is deleted, or a rule's untagged-for";
}

export function explainBlob(facts: BlobFacts, rules: CollectionRules): Explanation {
  const { digest, size, isLost, links, removedUses } = facts;
  const fate = fateOf(facts, rules);
  const reasons = [
    ...links.flatMap((link) => reasonOf(link) ?? []),
    ...removedUses.map(({ repository, manifest, removedAt }) => ({
      ...{ repository, why: `manifest ${manifest} was deleted and can be brought back` },
      until: new Date(removedAt.getTime() + rules.graceMs),
    })),
  ];
  const shared = { digest, kind: "blob", size, ...(isLost && { isLost }), reasons } as const;
  return fate.kind === "kept" ? { ...shared, state: "kept" } : { ...shared, state: "goes", at: fate.at };
}

function reasonOf({ repository, manifest, tag, isDeleted, heldUntil }: LinkFacts): Reason | undefined {
  if (isDeleted) return { repository, why: "was deleted from here" };
  if (manifest) {
    return { repository, why: `manifest ${manifest}${tag === undefined ? "" : ` (${tag})`} needs it` };
  }
  return (
    heldUntil && {
      repository,
      why: "no manifest needs it; who uploaded it, or was told that it is here, may count on it",
      until: heldUntil,
    }
  );
}

function latest(times: readonly (Date | undefined)[]): Date {
  return new Date(Math.max(...times.map((time) => time?.getTime() ?? 0)));
}
