import parse from "semver/functions/parse.js";
import type { Tag } from "../oci/names.ts";
import { dottedKey, identifiersKey, numberKey } from "./version-keys.ts";

/** How a rule reads versions. */
export interface VersionReading {
  readonly scheme: "semver" | "calver";
  /**
   * What a suffix behind `-` is that does not begin as a prerelease does: `false`, a prerelease all the same, as SemVer
   * says; `true`, a variant, as in Docker's official images.
   */
  readonly variants: boolean;
  /** Words that begin a prerelease, besides the usual ones. */
  readonly prereleases: readonly string[];
}

/** A full version, parsed. */
export interface Version {
  readonly tag: Tag;
  /** `v`, or nothing. */
  readonly prefix: string;
  /** The numbers as written: major, minor, patch; or year, month and so on. */
  readonly numbers: readonly string[];
  /** The word that a prerelease begins with, in lower case; empty when it begins with a number. */
  readonly prerelease: string | undefined;
  /** Such as `alpine3.20`. */
  readonly variant: string | undefined;
  /** The variant without the version at its end, such as `alpine`; itself when it has none. */
  readonly family: string | undefined;
  /** Sorts releases: the numbers and the prerelease, whatever the variant. */
  readonly release: string;
  /** Sorts by precedence, then build metadata and the variant's own version. */
  readonly key: string;
}

/** What a tag is to a rule. */
export type Reading =
  | { readonly kind: "version"; readonly version: Version }
  /** It has the form of a floating tag: one number, or two. */
  | { readonly kind: "float"; readonly level: "major" | "minor" }
  /** It only looks like a version. `fault` continues "it is none: ". */
  | { readonly kind: "lookalike"; readonly fault: string }
  | { readonly kind: "name" };

/** Words that begin a prerelease, whether a rule names them or not. */
export const prereleaseWords: ReadonlySet<string> = new Set(
  (
    "a alpha b beta canary cr dev ea edge experimental insiders m milestone next nightly pre preview rc snapshot test " +
    "unstable"
  ).split(" "),
);

const semverCore = /^(v?)(\d+)\.(\d+)\.(\d+)(?![\d.])(.*)$/;
const calverCore = /^(v?)(\d{4}|\d{2})\.(0?[1-9]|1[0-2])\.(\d{1,9})(?:\.(\d{1,9}))?(?![\d.])(.*)$/;
const variantShape = /^[A-Za-z][A-Za-z0-9._-]*$/;
// Of up to six digits: a longer number alone is rather an abbreviated commit than a line of versions.
const floatShape = /^v?(?:0|[1-9]\d{0,5})(?:\.(0|[1-9]\d*))?(?:-([A-Za-z][A-Za-z0-9._-]*))?$/;
const calverFloatShape = /^v?(?:\d{4}|\d{2})(?:\.(0?[1-9]|1[0-2]))?(?:-([A-Za-z][A-Za-z0-9._-]*))?$/;
const commitLike = /^\d{7,}$/;
const versionLike = /^[vV]?\d+(?:[._-]|$)/;

/** Reads a tag as a rule does. Strict: what is not exactly a version moves nothing. */
export function readTag(tag: Tag, reading: VersionReading): Reading {
  const float = (reading.scheme === "semver" ? floatShape : calverFloatShape).exec(tag);
  if (float && (float[2] === undefined || reading.variants)) {
    return { kind: "float", level: float[1] === undefined ? "major" : "minor" };
  }
  const found = reading.scheme === "semver" ? readSemver(tag, reading) : readCalver(tag, reading);
  if (typeof found !== "string") return { kind: "version", version: found };
  return versionLike.test(tag) && !commitLike.test(tag)
    ? { kind: "lookalike", fault: found }
    : { kind: "name" };
}

/** @returns a version, or what is wrong */
function readSemver(tag: Tag, reading: VersionReading): Version | string {
  const found = semverCore.exec(tag);
  if (!found) return coreFault(tag);
  const [, prefix = "", major = "", minor = "", patch = "", rest = ""] = found;
  const numbers = [major, minor, patch];
  const zero = numbers.find((number) => /^0\d/.test(number));
  if (zero !== undefined) return `SemVer has no number with a leading zero such as ${zero}`;
  if (numbers.some((number) => Number(number) > Number.MAX_SAFE_INTEGER)) return "a number is too large";
  return readSuffix({ tag, prefix, numbers, coreKey: numbers.map(numberKey).join("") }, rest, reading);
}

/** @returns a version, or what is wrong */
function readCalver(tag: Tag, reading: VersionReading): Version | string {
  const found = calverCore.exec(tag);
  if (!found)
    return "a calendar version is year.month.number or year.month.day.number, as 2026.11.3 or 26.04.1";
  const [, prefix = "", year = "", month = "", third = "", fourth, rest = ""] = found;
  const numbers = [year, month, third, ...(fourth === undefined ? [] : [fourth])];
  const full = year.length === 2 ? `20${year}` : year;
  const coreKey = [full, month, third, fourth ?? "0"]
    .map((number) => numberKey(number.replace(/^0+(?=\d)/, "")))
    .join("");
  return readSuffix({ tag, prefix, numbers, coreKey }, rest, reading);
}

interface Core {
  readonly tag: Tag;
  readonly prefix: string;
  readonly numbers: readonly string[];
  readonly coreKey: string;
}

const plainCore = "0.0.0";
/** What most versions are: without a prerelease and build metadata. */
const plain = { prerelease: [], build: [] };

/** Reads `-prerelease`, `_build` and `-variant`, in this order, each of which may be absent. */
function readSuffix(core: Core, rest: string, reading: VersionReading): Version | string {
  let left = rest;
  const take = (shape: RegExp): string | undefined => {
    const found = shape.exec(left);
    if (found) left = left.slice(found[0].length);
    return found?.[1];
  };
  const prerelease = beginsPrerelease(left, reading)
    ? take(reading.variants ? /^-([0-9A-Za-z.]*(?:-\d+(?![0-9A-Za-z.]))?)/ : /^-([0-9A-Za-z.-]*)/)
    : undefined;
  // "+" cannot stand in a tag; "_" is what Helm and others write in its place.
  const build = take(reading.variants ? /^_([0-9A-Za-z.]*)/ : /^_([0-9A-Za-z.-]*)/);
  const variant = reading.variants ? take(/^-(.*)$/) : undefined;
  if (left !== "") return `${left} behind the numbers is neither a prerelease nor build metadata`;
  const text = `${plainCore}${prerelease === undefined ? "" : `-${prerelease}`}${build === undefined ? "" : `+${build}`}`;
  const parsed = text === plainCore ? plain : parse(text);
  if (!parsed)
    return `SemVer does not allow the prerelease or build metadata ${text.slice(plainCore.length)}`;
  const family = variant?.replace(/-?\d+(?:\.\d+)*$/, "");
  const fault = variant === undefined ? undefined : variantFault(variant, family);
  if (fault !== undefined) return fault;
  if (variant !== undefined && prerelease === undefined && beginsPrerelease(`-${variant}`, reading)) {
    return `a prerelease such as ${variant} stands before build metadata, not behind it`;
  }
  const own = variant === undefined ? "" : (/\d+(?:\.\d+)*$/.exec(variant)?.[0] ?? "");
  const { tag, prefix, numbers, coreKey } = core;
  // A version without a prerelease is higher than one with: "~" sorts behind all that a prerelease begins with.
  const release = `${coreKey}${prerelease === undefined ? "~" : identifiersKey(parsed.prerelease)}`;
  return {
    ...{ tag, prefix, numbers, variant, family },
    prerelease: prerelease === undefined ? undefined : wordOf(prerelease),
    release,
    key: `${release}${dottedKey(own)}${identifiersKey(parsed.build)}`,
  };
}

/** Whether what follows the numbers begins a prerelease. */
function beginsPrerelease(rest: string, { variants, prereleases }: VersionReading): boolean {
  if (!rest.startsWith("-")) return false;
  if (!variants || /^-\d/.test(rest)) return true;
  const word = wordOf(rest.slice(1));
  return prereleaseWords.has(word) || prereleases.includes(word);
}

function wordOf(prerelease: string): string {
  return (/^[A-Za-z]*/.exec(prerelease)?.[0] ?? "").toLowerCase();
}

/** A variant's name alone is a floating tag, so it may not be one that means something else. */
function variantFault(variant: string, family: string | undefined): string | undefined {
  if (!variantShape.test(variant)) return `a variant begins with a letter, and ${variant} does not`;
  if (variant === "latest" || family === "latest") return "a variant cannot have the name latest";
  if (/^[vV]\d/.test(variant)) return `a variant cannot have a version's name such as ${variant}`;
  return undefined;
}

function coreFault(tag: Tag): string {
  const [numbers = ""] = /^[vV]?[^-_]*/.exec(tag) ?? [];
  const parts = numbers.replace(/^[vV]/, "").split(".");
  if (/^V/.test(tag)) return "the v before a version is lower case";
  const odd = parts.find((part) => !/^\d+$/.test(part));
  if (odd !== undefined) return odd === "" ? "a number is missing" : `${odd} is no number`;
  const zero = parts.find((part) => /^0\d/.test(part));
  if (zero !== undefined) return `SemVer has no number with a leading zero such as ${zero}`;
  return `SemVer has three numbers, and this has ${parts.length}`;
}
