import { quote, RegistryError } from "./errors.ts";
import { maxRepositoryNameLength } from "./names.ts";

declare const patternBrand: unique symbol;

/**
 * A pattern of repository names, checked by {@link parseRepositoryPattern}: components separated by `/`, in which `*`
 * stands for any characters but `/`; a component `**` stands for any number of components, none included.
 * `gallery/*` matches `gallery/app` alone, `gallery/**` also `gallery` and `gallery/app/web`, `**` every repository.
 */
export type RepositoryPattern = string & { readonly [patternBrand]: true };

/** Matches every repository. */
export const everyRepository = "**" as RepositoryPattern; // safe: it is a pattern

const shape = /^(?:\*\*|[a-z0-9._*-]+)(?:\/(?:\*\*|[a-z0-9._*-]+))*$/;

/** Whether `text` is a repository pattern. A repository name is one, too: it matches itself. */
export function isRepositoryPattern(text: string): text is RepositoryPattern {
  return (
    text.length <= maxRepositoryNameLength &&
    shape.test(text) &&
    text.split("/").every((component) => component === "**" || !component.includes("**"))
  );
}

/**
 * Parses a repository pattern.
 * @throws RegistryError NAME_INVALID
 */
export function parseRepositoryPattern(text: string): RepositoryPattern {
  if (isRepositoryPattern(text)) return text;
  throw new RegistryError(
    "NAME_INVALID",
    `invalid repository pattern ${quote(text)}: expected a repository name in which * may stand for a component or a ` +
      "part of one, and ** for any number of components, such as gallery/* or team-a/**",
  );
}

/** Whether a repository, or any text of its form, matches. Takes time by the product of the lengths, at most. */
export function matchesRepository(pattern: RepositoryPattern, repository: string): boolean {
  if (pattern === everyRepository) return true;
  return matchesItems(pattern.split("/"), repository.split("/"), "**", (wanted, found) =>
    wanted.includes("*") ? matchesItems([...wanted], [...found], "*", (a, b) => a === b) : wanted === found,
  );
}

/** The characters before the first `*`: every name that matches begins with them, apart from a `/` at their end. */
export function literalPrefix(pattern: RepositoryPattern): string {
  const star = pattern.indexOf("*");
  return star < 0 ? pattern : pattern.slice(0, star);
}

/** Matches items against wanted ones, where `star` stands for any number; goes back to the last star only. */
function matchesItems(
  wanted: readonly string[],
  items: readonly string[],
  star: string,
  equals: (wanted: string, item: string) => boolean,
): boolean {
  let at = 0;
  let starAt = -1;
  let retryFrom = 0;
  for (let index = 0; index < items.length; ) {
    const want = wanted[at];
    if (want === star) {
      starAt = at++;
      retryFrom = index;
    } else if (want !== undefined && equals(want, items[index] ?? "")) {
      at++;
      index++;
    } else if (starAt >= 0) {
      at = starAt + 1;
      index = ++retryFrom;
    } else return false;
  }
  while (wanted[at] === star) at++;
  return at === wanted.length;
}
