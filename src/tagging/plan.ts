import type { Digest } from "../oci/digests.ts";
import type { Tag } from "../oci/names.ts";
import {
  type LineHead,
  planLine,
  reasonOf,
  type TagChange,
  type TagEvent,
  type TagFacts,
  type TagPlan,
  type TagPlanLine,
  type TagQuestions,
} from "../store/metadata/tag-policy.ts";
import { refusalOf } from "./refusals.ts";
import type { RuleReading } from "./rule-reading.ts";

/** An event split into what was asked for and what follows by rule. */
interface Split {
  /** Changes that are made as asked for. */
  readonly asked: readonly TagChange[];
  /** Floating tags that are decided by what is highest; with what the event wanted of them, if anything. */
  readonly floats: ReadonlyMap<
    Tag,
    { readonly isBareVariant: boolean; readonly wanted: TagChange | undefined }
  >;
}

/**
 * What of an event is asked for, and which floating tags are above the versions it changes. When a manifest goes, or a
 * release is taken back, the rule's floating tags are not removed with it: they go to what is then highest.
 */
function split(reading: RuleReading, event: TagEvent): Split {
  const floats = new Map<Tag, { isBareVariant: boolean; wanted: TagChange | undefined }>();
  for (const { tag } of event.changes) {
    const version = reading.version(tag);
    for (const float of version ? reading.floatsOf(version) : []) {
      const wanted = event.changes.find((change) => change.tag === float.tag);
      floats.set(float.tag, { isBareVariant: float.isBareVariant, wanted });
    }
  }
  if (event.scope === "tags") {
    for (const { tag } of event.changes) floats.delete(tag);
    return { asked: event.changes, floats };
  }
  for (const change of event.changes) {
    if (!floats.has(change.tag) && reading.ownsFloat(change.tag)) {
      floats.set(change.tag, { isBareVariant: false, wanted: change });
    }
  }
  return { asked: event.changes.filter(({ tag }) => !floats.has(tag)), floats };
}

/** What has to be known to plan an event under a rule. */
export function askFor(reading: RuleReading, event: TagEvent): TagQuestions {
  const { asked, floats } = split(reading, event);
  const tags = [...event.changes.map(({ tag }) => tag), ...floats.keys()];
  const owned = asked
    .map(({ tag }) => tag)
    .filter((tag) => reading.ownsFloat(tag) || reading.mayBeVariantName(tag));
  return {
    tags: [...new Set(tags)],
    pasts: event.changes.map(({ tag }) => tag).filter((tag) => reading.isImmutable(tag)),
    lines: [...new Set([...floats.keys(), ...owned])],
  };
}

/** Plans an event under a rule. */
export function planEvent(reading: RuleReading, event: TagEvent, facts: TagFacts): TagPlan {
  const { asked, floats } = split(reading, event);
  const headOf = createHeadFinder(reading, asked, facts);
  const lines = asked.map((change): TagPlanLine => {
    const from = facts.tags.get(change.tag)?.digest;
    const refusal = refusalOf({ reading, event, change, facts, head: headOf(change.tag) });
    if (refusal !== undefined) {
      return { ...planLine(change.tag, from, change.to, event.kind, refusal), action: "refuse" };
    }
    return askedLine(reading, event, change, from, headOf(change.tag));
  });
  const [refused] = lines.filter(({ action }) => action === "refuse");
  for (const [tag, { isBareVariant, wanted }] of floats) {
    const state = facts.tags.get(tag);
    if (refused) {
      const reason = `nothing moves, as ${refused.tag} is refused`;
      if (state) lines.push(planLine(tag, state.digest, state.digest, state.cause, reason));
      continue;
    }
    const line = floatLine({ reading, event, facts, tag, isBareVariant, wanted, head: headOf(tag) });
    if (line) lines.push(line);
  }
  return { lines, notes: notesOf(reading, event, lines) };
}

/** A line's highest version when the event has happened: of those it leaves alone and those it makes. */
function createHeadFinder(reading: RuleReading, asked: readonly TagChange[], facts: TagFacts) {
  const made = asked.flatMap(({ tag, to }): { readonly head: LineHead; readonly lines: readonly Tag[] }[] => {
    const version = reading.version(tag);
    if (!version || to === undefined) return [];
    return [
      {
        head: { tag, digest: to, key: version.key },
        lines: reading.floatsOf(version).map((each) => each.tag),
      },
    ];
  });
  return (line: Tag): LineHead | undefined => {
    let head = facts.heads.get(line);
    for (const each of made) {
      if (each.lines.includes(line) && (!head || isHigher(each.head, head))) head = each.head;
    }
    return head;
  };
}

/** Versions that are equal by SemVer, such as 2.1.3 and v2.1.3, are ordered by their names. */
export function isHigher(one: LineHead, other: LineHead): boolean {
  return one.key === other.key ? one.tag > other.tag : one.key > other.key;
}

function askedLine(
  reading: RuleReading,
  event: TagEvent,
  { tag, to }: TagChange,
  from: Digest | undefined,
  head: LineHead | undefined,
): TagPlanLine {
  if (to !== undefined && reading.ownsFloat(tag) && head?.digest === to) {
    return planLine(tag, from, to, "rule", `${head.tag} is the highest of ${tag}`);
  }
  return planLine(tag, from, to, event.kind, from === to ? "is there already" : reasonOf(event.kind));
}

interface FloatCase {
  readonly reading: RuleReading;
  readonly event: TagEvent;
  readonly facts: TagFacts;
  readonly tag: Tag;
  readonly isBareVariant: boolean;
  readonly wanted: TagChange | undefined;
  /** The highest version of its line, once the event has happened. */
  readonly head: LineHead | undefined;
}

/** What becomes of one floating tag; undefined when it neither exists nor shall. */
function floatLine(it: FloatCase): TagPlanLine | undefined {
  const { reading, event, facts, tag, head, wanted } = it;
  const state = facts.tags.get(tag);
  const from = state?.digest;
  const goes = event.scope !== "tags" && wanted !== undefined;
  const isByHand = state !== undefined && state.cause !== "rule";
  const held = isByHand && !goes && (reading.rule["manual-floats"] === "allow" || it.isBareVariant);
  const keep = (reason: string): TagPlanLine => planLine(tag, from, from, state?.cause ?? "rule", reason);
  const wasByHand = wanted?.to !== undefined && wanted.was !== "rule";
  if (wasByHand && reading.rule["manual-floats"] === "allow" && (isByHand || !head)) {
    return planLine(tag, from, wanted.to, event.kind, "was set there by hand before the release");
  }
  if (!head) {
    if (from === undefined) return undefined;
    if (held) return keep("was set by hand and no rule moved it");
    return planLine(tag, from, undefined, "rule", `no full version of ${tag} is left`);
  }
  if (from === head.digest) return keep(`${head.tag} stays the highest of ${tag}`);
  if (reading.isImmutable(tag)) return keep("is immutable");
  const byEvent = event.changes.some(
    (change) =>
      change.tag === head.tag && change.to !== undefined && change.to !== facts.tags.get(change.tag)?.digest,
  );
  if (held && it.isBareVariant) return keep("was set by hand: a variant's name alone is left as it is");
  if (held && !byEvent) return keep(`was set by hand: it stays until a version above ${head.tag} is pushed`);
  return planLine(tag, from, head.digest, "rule", `${head.tag} is the highest of ${tag}`);
}

/** What somebody who pushes should know: which floating tags moved, which stayed, and what was taken for no version. */
function notesOf(reading: RuleReading, event: TagEvent, lines: readonly TagPlanLine[]): string[] {
  const isPush = event.kind === "push" || event.kind === "move"; // of other events the lines say it better
  if (!isPush || lines.some(({ action }) => action === "refuse")) return [];
  const asked = new Set(event.changes.map(({ tag }) => tag));
  const targets = new Set(event.changes.map(({ to }) => to));
  const followers = lines.filter(({ tag, cause }) => !asked.has(tag) || cause === "rule");
  const moved = followers.filter(({ action }) => action !== "keep").map(({ tag }) => tag);
  const stayed = followers.filter(({ action, to }) => action === "keep" && !targets.has(to));
  const parts = [
    ...(moved.length > 0 ? [`moved ${moved.join(", ")}`] : []),
    ...(stayed.length > 0
      ? [`did not move ${stayed.map(({ tag, reason }) => `${tag} (${reason})`).join(", ")}`]
      : []),
  ];
  const notes = parts.length > 0 ? [`${[...asked].join(", ")} ${parts.join("; ")}`] : [];
  return [...notes, ...event.changes.flatMap(({ tag }) => noteOn(reading, tag, lines) ?? [])];
}

function noteOn(reading: RuleReading, tag: Tag, lines: readonly TagPlanLine[]): string | undefined {
  const found = reading.read(tag);
  const byRule = lines.some((line) => line.tag === tag && line.cause === "rule");
  if (found.kind === "lookalike") {
    return `${tag} looks like a version and is none: ${found.fault}; it is kept as it is and moves no other tag`;
  }
  if (byRule || !reading.ownsFloat(tag)) {
    if (found.kind !== "float" || byRule) return undefined;
    return `${tag} has the form of a floating tag, not of a full version: it moves no other tag`;
  }
  return `${tag} is a floating tag: it stays as you set it until the rule moves it to a higher version`;
}
