import type { RepositoryName, Tag } from "../oci/names.ts";
import { nearest } from "../oci/near.ts";

/** How many repositories or tags are compared with a missing one. */
const maxCandidates = 1000;
const maxSuggestions = 5;
/** How many near tags are told, so that there is room for new ones. */
const maxNearTags = 3;

/** What `suggestTags` answers for a repository that is at hand. @param tags the one that moved last at the end */
export function tagsNear(missing: Tag, tags: readonly Tag[]): readonly Tag[] {
  const newest = [...tags].reverse().slice(0, maxCandidates);
  const near = nearest(missing, newest, maxNearTags);
  return [...new Set([...near, ...newest])].slice(0, maxSuggestions);
}

/** What `suggestRepositories` answers for a registry that is at hand. */
export function repositoriesNear(
  missing: RepositoryName,
  repositories: readonly RepositoryName[],
): readonly RepositoryName[] {
  return nearest(missing, repositories.slice(0, maxCandidates), maxSuggestions);
}
