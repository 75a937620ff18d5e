import { z } from "zod";
import type { RepositoryName } from "../oci/names.ts";
import {
  isRepositoryPattern,
  matchesRepository,
  parseRepositoryPattern,
  type RepositoryPattern,
} from "../oci/repository-patterns.ts";

const durationUnits = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 } as const;

/** A length of time such as `90d`, `12h` or `2w`; its value in milliseconds by {@link durationMs}. */
export const duration = z
  .string()
  .regex(/^[1-9]\d{0,4}[hdw]$/, "expected a length of time such as 12h, 90d or 2w");

/** Milliseconds of a checked length of time. */
export function durationMs(text: string): number {
  const unit = text.slice(-1) as keyof typeof durationUnits; // safe: the schema's pattern ends with one of them
  return Number(text.slice(0, -1)) * durationUnits[unit];
}

const repositoryPattern = z
  .string()
  .refine(
    isRepositoryPattern,
    "expected a repository, in which * stands for a part and ** for any number of parts",
  )
  .transform((text): RepositoryPattern => parseRepositoryPattern(text));

const tagPattern = z
  .string()
  .regex(/^[A-Za-z0-9_.*-]{1,128}$/, "expected a tag, in which * stands for any characters");

const channel = z
  .string()
  .regex(/^[a-z]{1,32}$/, "expected the word that such prereleases begin with, in lower case, such as rc")
  .refine((word) => word !== "latest", "latest is for stable versions");

const retention = z.strictObject({
  newest: z.number().int().min(1).optional().describe("How many full versions are kept"),
  by: z.enum(["version", "time"]).default("version").describe("What makes a version the newest"),
  "pulled-within": duration.optional().describe("What was pulled in this time is kept"),
  keep: z.array(tagPattern).default([]).describe("Tags that are kept"),
  "untagged-for": duration.optional().describe("Manifests without a tag are removed after this time"),
});

/** One rule, as it stands in the settings file and in the management API. */
export const tagRule = z.strictObject({
  repositories: z.array(repositoryPattern).min(1),
  versions: z.enum(["semver", "calver", "none"]).default("semver").describe("What a full version is"),
  float: z
    .array(z.enum(["minor", "major", "latest"]))
    .default([])
    .describe("Which floating tags a stable version moves: 2.1, 2, latest"),
  prereleases: z
    .array(channel)
    .default([])
    .describe("Words of prereleases that move a floating tag of that name"),
  variants: z
    .union([z.boolean(), z.literal("short")])
    .default(false)
    .describe("Whether 2.1.3-alpine3.20 moves 2.1-alpine3.20 and so on; short: also 2.1-alpine"),
  immutable: z
    .array(tagPattern)
    .default([])
    .describe("Tags that cannot be moved or deleted; versions: full versions"),
  "manual-floats": z
    .enum(["refuse", "allow"])
    .default("allow")
    .describe("Whether people may push floating tags themselves"),
  "latest-fallback": z
    .boolean()
    .default(false)
    .describe("latest is the highest stable version when nobody set it"),
  retain: retention.optional(),
});

/** What happens to the tags of some repositories. */
export type TagRule = z.output<typeof tagRule>;
/** What of a repository is kept. */
export type Retention = z.output<typeof retention>;

/** Where a rule stands. */
export interface PlacedRule {
  readonly rule: TagRule;
  readonly source: "settings" | "stored";
  /** From 1 on, in its source. */
  readonly number: number;
}

/** How messages name a rule. */
export function nameRule({ source, number }: PlacedRule): string {
  return source === "settings" ? `rule ${number} of the settings file` : `stored rule ${number}`;
}

/** The rule of a repository: the first that matches. */
export function ruleFor(rules: readonly PlacedRule[], repository: RepositoryName): PlacedRule | undefined {
  return rules.find(({ rule }) =>
    rule.repositories.some((pattern) => matchesRepository(pattern, repository)),
  );
}

/** The word in `immutable` that stands for all full versions. */
export const allVersions = "versions";
