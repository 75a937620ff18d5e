import type { Digest } from "../oci/digests.ts";
import type { Tag } from "../oci/names.ts";
import type { RetentionTag, UntaggedManifest } from "../store/metadata/tags.ts";
import type { RuleReading } from "./rule-reading.ts";
import { durationMs, type Retention } from "./rules.ts";
import { matchesTag } from "./tag-patterns.ts";
import type { Version } from "./versions.ts";

/** What a repository holds, and how it was used. */
export interface RetentionFacts {
  readonly tags: readonly RetentionTag[];
  readonly untagged: readonly UntaggedManifest[];
  /** When manifests were pulled last. */
  readonly pulls: ReadonlyMap<Digest, Date>;
  /** When a tag last moved away from a manifest. */
  readonly formerTargets: ReadonlyMap<Digest, Date>;
}

/** What happens to a tag, or to a manifest without one, and why. */
export interface RetentionLine {
  readonly tag?: Tag;
  readonly digest: Digest;
  readonly action: "keep" | "remove";
  /** For people: part of a sentence. */
  readonly reason: string;
}

/**
 * How far back it matters that a tag pointed at a manifest: who followed the tag may still run what it was then.
 * In milliseconds; 0 when the rule names no time.
 */
export function pinnedWithinMs(retain: Retention): number {
  const text = retain["pulled-within"] ?? retain["untagged-for"];
  return text === undefined ? 0 : durationMs(text);
}

/** Plans what of a repository is kept. Tags first, in the order of their names, then manifests without a tag. */
export function planRetention(
  reading: RuleReading,
  facts: RetentionFacts,
  now: Date,
): readonly RetentionLine[] {
  const { retain } = reading.rule;
  if (!retain) return [];
  const reasonToKeep = createTagReasons(rememberReadings(reading), retain, facts, now);
  const lines = facts.tags.map((each): RetentionLine => {
    const { tag, digest } = each;
    const reason = reasonToKeep(each);
    if (reason !== undefined) return { tag, digest, action: "keep", reason };
    return { tag, digest, action: "remove", reason: reasonToRemove(reading, retain, tag) };
  });
  const untaggedFor = retain["untagged-for"];
  if (untaggedFor === undefined) return lines;
  const useOf = createUses(retain, facts, now);
  const untagged = facts.untagged.map(({ digest, since }): RetentionLine => {
    const age = now.getTime() - since.getTime();
    const reason =
      age < durationMs(untaggedFor) ? `has had no tag for ${shownAge(age)} only` : useOf(digest, undefined);
    if (reason !== undefined) return { digest, action: "keep", reason };
    return { digest, action: "remove", reason: `has had no tag for ${shownAge(age)}` };
  });
  return [...lines, ...untagged];
}

/** Each tag is looked at several times, and there may be many. */
function rememberReadings(
  reading: RuleReading,
): Pick<RuleReading, "version" | "ownsFloat" | "mayBeVariantName"> {
  const known = new Map<Tag, { version: Version | undefined; ownsFloat: boolean }>();
  const look = (tag: Tag) => {
    let found = known.get(tag);
    if (!found) {
      found = { version: reading.version(tag), ownsFloat: reading.ownsFloat(tag) };
      known.set(tag, found);
    }
    return found;
  };
  const { mayBeVariantName } = reading;
  return { version: (tag) => look(tag).version, ownsFloat: (tag) => look(tag).ownsFloat, mayBeVariantName };
}

type KnownReadings = ReturnType<typeof rememberReadings>;

function reasonToRemove(reading: RuleReading, { newest, by }: Retention, tag: Tag): string {
  const what = reading.version(tag) ? "versions" : "other tags";
  return `is not among the newest ${newest} ${what}${by === "time" ? " by time" : ""}, and nothing else keeps it`;
}

/** A variant's name alone is one when the rule set it. */
function isFloat(reading: KnownReadings, { tag, cause }: RetentionTag): boolean {
  return reading.ownsFloat(tag) || (cause === "rule" && reading.mayBeVariantName(tag));
}

/** Gives the reason why a tag is kept; undefined when there is none. */
function createTagReasons(reading: KnownReadings, retain: Retention, facts: RetentionFacts, now: Date) {
  const isNewest = createRanking(reading, retain, facts.tags);
  const useOf = createUses(retain, facts, now);
  const floats = new Map(
    facts.tags.filter((each) => isFloat(reading, each)).map(({ tag, digest }) => [digest, tag]),
  );
  return (each: RetentionTag): string | undefined => {
    const { tag, digest, since, arrived } = each;
    if (retain.newest === undefined) return "the rule does not say how many are kept";
    if (isFloat(reading, each)) return "is a floating tag";
    const pattern = retain.keep.find((each) => matchesTag(each, tag));
    if (pattern !== undefined) return `matches ${pattern}`;
    const rank = isNewest(tag);
    if (rank !== undefined) return rank;
    const float = floats.get(digest);
    if (float !== undefined) return `is what ${float} points at`;
    return useOf(digest, { since, arrived });
  };
}

/** Counts releases, all variants of one together, and tags that are no versions by themselves. */
function createRanking(reading: KnownReadings, { newest = 0, by }: Retention, tags: readonly RetentionTag[]) {
  const releases = new Map<string, number>();
  const others: RetentionTag[] = [];
  for (const each of tags) {
    if (isFloat(reading, each)) continue;
    const version = reading.version(each.tag);
    if (version) {
      const since = Math.max(each.since.getTime(), releases.get(version.release) ?? 0);
      releases.set(version.release, since);
    } else others.push(each);
  }
  const byVersion = ([a]: [string, number], [b]: [string, number]) => (a < b ? 1 : -1);
  const byTime = ([a, timeA]: [string, number], [b, timeB]: [string, number]) =>
    timeB - timeA || byVersion([a, 0], [b, 0]);
  const ranked = [...releases].sort(by === "version" ? byVersion : byTime).slice(0, newest);
  const kept = new Set(ranked.map(([release]) => release));
  others.sort((a, b) => b.since.getTime() - a.since.getTime());
  const keptOthers = new Set(others.slice(0, newest).map(({ tag }) => tag));
  return (tag: Tag): string | undefined => {
    const version = reading.version(tag);
    if (version && kept.has(version.release)) return `is among the newest ${newest} versions`;
    return keptOthers.has(tag) ? `is among the newest ${newest} tags that are no versions` : undefined;
  };
}

/** Gives the reason why a manifest may still be in use; undefined when nothing says so. */
function createUses(retain: Retention, facts: RetentionFacts, now: Date) {
  const pulledWithin = retain["pulled-within"] === undefined ? 0 : durationMs(retain["pulled-within"]);
  const pinnedWithin = pinnedWithinMs(retain);
  const ageOf = (date: Date | undefined) =>
    date ? now.getTime() - date.getTime() : Number.POSITIVE_INFINITY;
  return (digest: Digest, tag: Pick<RetentionTag, "since" | "arrived"> | undefined): string | undefined => {
    const pulled = ageOf(facts.pulls.get(digest));
    if (pulled < pulledWithin) return `was pulled ${shownAge(pulled)} ago`;
    const tagged = ageOf(tag?.since);
    if (tagged < pulledWithin) return `was tagged ${shownAge(tagged)} ago`;
    // Nobody knows what was pulled where it came from.
    const arrived = ageOf(tag?.arrived);
    if (arrived < pulledWithin) return `was imported ${shownAge(arrived)} ago`;
    const former = ageOf(facts.formerTargets.get(digest));
    if (tag !== undefined && former < pinnedWithin) {
      return `is what a tag pointed at until ${shownAge(former)} ago: something may still run it`;
    }
    return undefined;
  };
}

/** A length of time for people, rounded down. */
function shownAge(ms: number): string {
  const hours = Math.floor(ms / 3_600_000);
  if (hours < 1) return "less than an hour";
  if (hours < 48) return `${hours} hour${hours === 1 ? "" : "s"}`;
  return `${Math.floor(hours / 24)} days`;
}
