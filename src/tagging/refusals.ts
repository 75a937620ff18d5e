import type { LineHead, TagChange, TagEvent, TagFacts } from "../store/metadata/tag-policy.ts";
import type { RuleReading } from "./rule-reading.ts";

/** One change of an event, with what is known about its tag. */
export interface ChangeCase {
  readonly reading: RuleReading;
  readonly event: TagEvent;
  readonly change: TagChange;
  readonly facts: TagFacts;
  /** The highest version of the line that the tag floats on, once the event has happened. */
  readonly head: LineHead | undefined;
}

/** Why a change may not be made, with what to do instead; undefined when it may. */
export function refusalOf(it: ChangeCase): string | undefined {
  if (it.event.kind === "retention") return undefined; // "may not be overwritten" is not "may not expire"
  return it.reading.isImmutable(it.change.tag) ? immutableRefusal(it) : floatRefusal(it);
}

function immutableRefusal({ event, change: { tag, to }, facts }: ChangeCase): string | undefined {
  const present = facts.tags.get(tag)?.digest;
  if (to === undefined) {
    if (event.kind === "rollback" && event.scope === "release") return undefined; // a release that is taken back
    return "is immutable and cannot be deleted: roll the release back, or let retention expire it";
  }
  if (present === to) return undefined;
  if (present !== undefined) return `is immutable and stays at ${present}: push under a new version`;
  const past = facts.pasts.get(tag);
  if (past === undefined || past === to) return undefined;
  return `is immutable and was ${past} before it was removed: the name does not come back for another image`;
}

/** Floating tags that the rule alone moves. */
function floatRefusal({ reading, event, change: { tag, to }, facts, head }: ChangeCase): string | undefined {
  if (reading.rule["manual-floats"] !== "refuse") return undefined;
  const byRule = facts.tags.get(tag)?.cause === "rule" && reading.mayBeVariantName(tag);
  if (!byRule && !reading.ownsFloat(tag)) return undefined;
  if (to === head?.digest) return undefined; // where the rule has it, or of which no version is left
  if (to !== undefined && to === facts.tags.get(tag)?.digest) return undefined;
  if (!head) return `is a floating tag: push a full version, and ${tag} is made by itself`;
  const follows = `is a floating tag that follows ${head.tag}, the highest of its line`;
  if (event.kind === "delete") return `${follows}: delete or roll back that version`;
  if (event.kind === "rollback") return `${follows}: roll back that release`;
  return `${follows}: push a full version and ${tag} moves by itself`;
}
