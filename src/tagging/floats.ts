import { parseTag, type Tag } from "../oci/names.ts";
import type { Version } from "./versions.ts";

/** The lines that a version is on besides prerelease channels. */
export type FloatLevel = "minor" | "major" | "latest";

/** A floating tag that a version may move. */
export interface Float {
  readonly tag: Tag;
  /** It is a variant's name alone, which says nothing of versions. */
  readonly isBareVariant: boolean;
}

/** Which floating tags a rule has. */
export interface FloatNames {
  readonly levels: readonly FloatLevel[];
  readonly channels: readonly string[];
  /** Also those of a variant without its own version: `2-alpine` for `2.1.3-alpine3.20`. */
  readonly short: boolean;
}

/** The floating tags above a full version: those of its line for a stable one, its channel for a prerelease. */
export function floatsOf(version: Version, { levels, channels, short }: FloatNames): readonly Float[] {
  const { prefix, numbers, prerelease, variant, family } = version;
  const [first = "", second = ""] = numbers;
  const stems: { readonly stem: string; readonly isBare: boolean }[] = [];
  if (prerelease === undefined) {
    if (levels.includes("minor")) stems.push({ stem: `${prefix}${first}.${second}`, isBare: false });
    if (levels.includes("major")) stems.push({ stem: `${prefix}${first}`, isBare: false });
    if (levels.includes("latest")) stems.push({ stem: "latest", isBare: true });
  } else if (channels.includes(prerelease)) stems.push({ stem: prerelease, isBare: false });
  const suffixes = [...new Set([variant, ...(short ? [family] : [])])];
  return suffixes.flatMap((suffix) =>
    stems.map(({ stem, isBare }) => ({
      tag: parseTag(suffix === undefined ? stem : isBare ? suffix : `${stem}-${suffix}`),
      isBareVariant: isBare && suffix !== undefined,
    })),
  );
}
