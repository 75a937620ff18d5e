import { type Digest, encodedOf } from "../../oci/digests.ts";
import { parseRepositoryName, type RepositoryName, type Tag } from "../../oci/names.ts";
import { matchesRepository, parseRepositoryPattern } from "../../oci/repository-patterns.ts";
import { matchesTag } from "../../tagging/tag-patterns.ts";
import { parseTyped } from "../command.ts";
import type { SourceTag, Wanted } from "./source.ts";

/** What a person asks for. Empty lists are everything. */
export interface WantedTexts {
  readonly repositories: readonly string[];
  readonly tags: readonly string[];
  /** Names from a file, of which each is wanted that the patterns do not leave out. */
  readonly list: readonly string[] | undefined;
}

/** @throws UsageError for what is no pattern, or no name in the list */
export function parseWanted({ repositories, tags, list }: WantedTexts): Wanted {
  const patterns = repositories.map((text) => parseTyped(parseRepositoryPattern, text));
  const matches = (name: string) =>
    patterns.length === 0 || patterns.some((pattern) => matchesRepository(pattern, name));
  const isLiteral = patterns.length > 0 && patterns.every((pattern) => !pattern.includes("*"));
  const names = list ?? (isLiteral ? patterns : undefined);
  const named = names?.map((name): RepositoryName => parseTyped(parseRepositoryName, name));
  const listed = list === undefined ? undefined : new Set(list);
  return {
    repository: (name) => matches(name) && (listed?.has(name) ?? true),
    tag: (name) => tags.length === 0 || tags.some((pattern) => matchesTag(pattern, name)),
    everyTag: tags.length === 0,
    named: named?.filter(matches),
  };
}

/** A list of repositories as people write it: one a line, `#` begins a comment. */
export function parseList(text: string): readonly string[] {
  const lines = text.split("\n").map((line) => line.replace(/#.*/, "").trim());
  return [...new Set(lines.filter((line) => line !== ""))];
}

/**
 * The tags that are wanted, and those that clients made of the digests of these: what is signed, or refers to them, under
 * names such as `sha256-abcd.sig`.
 */
export function chooseTags(tags: ReadonlyMap<Tag, SourceTag>, wanted: Wanted): ReadonlyMap<Tag, SourceTag> {
  if (wanted.everyTag) return tags;
  const chosen = [...tags].filter(([tag]) => wanted.tag(tag));
  const digests = new Set<string>(chosen.map(([, { digest }]) => tagOfDigest(digest)));
  const derived = [...tags].filter(([tag]) => digests.has(tag.replace(/\..*$/, "")));
  return new Map([...chosen, ...derived]);
}

function tagOfDigest(digest: Digest): string {
  return `${digest.slice(0, digest.indexOf(":"))}-${encodedOf(digest)}`;
}
