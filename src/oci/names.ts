import { quote, RegistryError } from "./errors.ts";

declare const repositoryBrand: unique symbol;
declare const tagBrand: unique symbol;

/** A repository's name within its registry, such as `library/alpine`, checked by {@link parseRepositoryName}. */
export type RepositoryName = string & { readonly [repositoryBrand]: true };

/** A tag, such as `3.20`, checked by {@link parseTag}. */
export type Tag = string & { readonly [tagBrand]: true };

/**
 * The most characters a repository name may have. The registry's name does not count; dockers from before 2024
 * (distribution/reference v0.6.0) count it in.
 */
export const maxRepositoryNameLength = 255;
/** The most characters a tag may have. */
export const maxTagLength = 128;

// https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests:
// "<name> MUST match the following regular expression"
const repositoryShape = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
// "<tag> MUST be at most 128 characters in length and MUST match the following regular expression"
const tagShape = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** Whether `text` is a repository name. */
export function isRepositoryName(text: string): text is RepositoryName {
  return text.length <= maxRepositoryNameLength && repositoryShape.test(text);
}

/**
 * Parses a repository name.
 * @throws RegistryError NAME_INVALID
 */
export function parseRepositoryName(text: string): RepositoryName {
  if (isRepositoryName(text)) return text;
  throw new RegistryError("NAME_INVALID", `invalid repository name ${quote(text)}: ${repositoryFault(text)}`);
}

function repositoryFault(text: string): string {
  if (text === "") return "it is empty";
  if (text.length > maxRepositoryNameLength) {
    return `it has ${text.length} characters, the most is ${maxRepositoryNameLength}`;
  }
  const lower = text.toLowerCase();
  if (lower !== text && isRepositoryName(lower)) return `it must be lower case: try ${quote(lower)}`;
  return (
    "expected lower-case letters and digits, in components separated by /, " +
    "with single . or _ or __ or dashes between them"
  );
}

/** Whether `text` is a tag. */
export function isTag(text: string): text is Tag {
  return tagShape.test(text);
}

/**
 * Parses a tag.
 * @throws RegistryError TAG_INVALID
 */
export function parseTag(text: string): Tag {
  if (isTag(text)) return text;
  const reason =
    text === ""
      ? "it is empty"
      : text.length > maxTagLength
        ? `it has ${text.length} characters, the most is ${maxTagLength}`
        : "expected a letter, digit or _, then letters, digits and . _ -";
  throw new RegistryError("TAG_INVALID", `invalid tag ${quote(text)}: ${reason}`);
}
