import { z } from "zod";
import {
  plainPolicy,
  type StoredRules,
  type TagPolicies,
  type TagPolicy,
} from "../store/metadata/tag-policy.ts";
import { askFor, planEvent } from "./plan.ts";
import { createRuleReading, type RuleReading } from "./rule-reading.ts";
import { type PlacedRule, ruleFor, type TagRule, tagRule } from "./rules.ts";

/** Reads what {@link writeStoredRules} wrote. */
export function readStoredRules(text: string): readonly TagRule[] {
  return text === "" ? [] : z.array(tagRule).parse(JSON.parse(text));
}

/** Rules as text for the metadata. */
export function writeStoredRules(rules: readonly TagRule[]): string {
  return JSON.stringify(rules);
}

/** All rules in the order in which they are looked at: those of the settings file first. */
export function placeRules(settings: readonly TagRule[], stored: readonly TagRule[]): readonly PlacedRule[] {
  const place = (source: PlacedRule["source"]) => (rule: TagRule, index: number) => ({
    ...{ rule, source, number: index + 1 },
  });
  return [...settings.map(place("settings")), ...stored.map(place("stored"))];
}

/** The policy of one rule. */
export function policyOf(reading: RuleReading): TagPolicy {
  return {
    versions: reading.order,
    ask: (event) => askFor(reading, event),
    plan: (event, facts) => planEvent(reading, event, facts),
  };
}

/** What decides about tags, from the rules of the settings file and those that the metadata keep. */
export interface Tagging {
  readonly policies: TagPolicies;
  /** All rules in order. */
  rules(stored: StoredRules): readonly PlacedRule[];
  /** A repository's rule, ready to read tags with; undefined when none matches. */
  readingOf(repository: Parameters<TagPolicies>[0], stored: StoredRules): RuleReading | undefined;
}

/** Makes what decides about tags. Stored rules are read once a version. */
export function createTagging(settings: readonly TagRule[]): Tagging {
  let known: { readonly version: number; readonly rules: readonly PlacedRule[] } | undefined;
  const readings = new Map<TagRule, { readonly reading: RuleReading; readonly policy: TagPolicy }>();
  const rulesAt = (stored: StoredRules): readonly PlacedRule[] => {
    if (known?.version !== stored.version) {
      known = { version: stored.version, rules: placeRules(settings, readStoredRules(stored.text)) };
      readings.clear();
    }
    return known.rules;
  };
  const find = (repository: Parameters<TagPolicies>[0], stored: StoredRules) => {
    const placed = ruleFor(rulesAt(stored), repository);
    if (!placed) return undefined;
    let found = readings.get(placed.rule);
    if (!found) {
      const reading = createRuleReading(placed.rule);
      found = { reading, policy: policyOf(reading) };
      readings.set(placed.rule, found);
    }
    return found;
  };
  return {
    policies: (repository, stored) => find(repository, stored)?.policy ?? plainPolicy,
    rules: rulesAt,
    readingOf: (repository, stored) => find(repository, stored)?.reading,
  };
}
