import type { Tag } from "../oci/names.ts";
import type { VersionOrder, VersionPlace } from "../store/metadata/tag-policy.ts";
import { type Float, type FloatNames, floatsOf } from "./floats.ts";
import { allVersions, type TagRule } from "./rules.ts";
import { matchesTag } from "./tag-patterns.ts";
import { type Reading, readTag, type Version, type VersionReading } from "./versions.ts";

/** A rule made ready to read tags with. */
export interface RuleReading {
  readonly rule: TagRule;
  read(tag: Tag): Reading;
  version(tag: Tag): Version | undefined;
  /** The floating tags that a version may move; of them, `latest` is only looked at when the rule moves it. */
  floatsOf(version: Version): readonly Float[];
  /** Whether the rule moves tags of this name. */
  ownsFloat(tag: Tag): boolean;
  /** Whether it may be a variant's name alone: the rule moves such a tag unless somebody set it. */
  mayBeVariantName(tag: Tag): boolean;
  isImmutable(tag: Tag): boolean;
  readonly order: VersionOrder;
}

/** Readings are remembered for this many tags of a rule, those of one push at least. */
const remembered = 256;

/** Makes a rule ready. */
export function createRuleReading(rule: TagRule): RuleReading {
  const isNone = rule.versions === "none";
  const reading: VersionReading = {
    scheme: rule.versions === "calver" ? "calver" : "semver",
    variants: rule.variants !== false,
    prereleases: rule.prereleases,
  };
  const names: FloatNames = {
    levels: rule.float,
    channels: rule.prereleases,
    short: rule.variants === "short",
  };
  const indexed: FloatNames =
    rule["latest-fallback"] && !rule.float.includes("latest")
      ? { ...names, levels: [...rule.float, "latest"] }
      : names;
  const patterns = rule.immutable.filter((pattern) => pattern !== allVersions);
  const readings = new Map<Tag, Reading>();
  const read = (tag: Tag): Reading => {
    let found = readings.get(tag);
    if (!found) {
      found = isNone ? { kind: "name" } : readTag(tag, reading);
      if (readings.size >= remembered) readings.clear();
      readings.set(tag, found);
    }
    return found;
  };
  const version = (tag: Tag): Version | undefined => {
    const found = read(tag);
    return found.kind === "version" ? found.version : undefined;
  };
  const place = (tag: Tag): VersionPlace | undefined => {
    const found = version(tag);
    const lines = found ? floatsOf(found, indexed).map((float) => float.tag) : [];
    return found && lines.length > 0 ? { key: found.key, lines } : undefined;
  };
  return {
    rule,
    read,
    version,
    floatsOf: (found) => floatsOf(found, names),
    ownsFloat(tag) {
      if (isNone) return false;
      const found = read(tag);
      if (found.kind === "float") return rule.float.includes(found.level);
      if (tag === "latest") return rule.float.includes("latest");
      return found.kind === "name" && rule.prereleases.some((word) => isChannel(tag, word, reading.variants));
    },
    mayBeVariantName: (tag) =>
      reading.variants && rule.float.includes("latest") && /^[A-Za-z]/.test(tag) && read(tag).kind === "name",
    isImmutable: (tag) =>
      (rule.immutable.includes(allVersions) && version(tag) !== undefined) ||
      patterns.some((pattern) => matchesTag(pattern, tag)),
    order: { id: isNone ? "" : JSON.stringify([2, reading, indexed]), place },
  };
}

/** `rc`, and with variants `rc-alpine`. */
function isChannel(tag: Tag, word: string, variants: boolean): boolean {
  if (tag === word) return true;
  return variants && tag.startsWith(`${word}-`) && /^[A-Za-z]/.test(tag.slice(word.length + 1));
}
