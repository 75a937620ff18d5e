import { parseTag, type RepositoryName, type Tag } from "../../oci/names.ts";
import type { Metadata } from "../../store/metadata/metadata.ts";
import type { Tagging } from "../../tagging/policies.ts";

/** The tag that clients ask for when nobody names one. */
export const latestTag = parseTag("latest");

/** The highest stable version of a repository whose rule lets `latest` stand for it; asked when nobody set `latest`. */
export type LatestFallback = (repository: RepositoryName) => Promise<Tag | undefined>;

/** Makes the fallback of the rules. */
export function createLatestFallback(metadata: Metadata, tagging: Tagging): LatestFallback {
  return async (repository) => {
    const reading = tagging.readingOf(repository, await metadata.getTagRules());
    return reading?.rule["latest-fallback"] ? metadata.highestOf(repository, latestTag) : undefined;
  };
}
