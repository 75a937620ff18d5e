import { z } from "zod";
import { type Digest, parseDigest } from "../../oci/digests.ts";
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from "../../oci/names.ts";
import { parseRepositoryPattern, type RepositoryPattern } from "../../oci/repository-patterns.ts";

/** A string that a parser of `oci` takes; its message is the parser's. */
export function parsed<T extends string>(parse: (text: string) => T, description: string) {
  return z
    .string()
    .transform((text, context): T => {
      try {
        return parse(text);
      } catch (error) {
        context.addIssue({
          code: "custom",
          message: error instanceof Error ? error.message : String(error),
        });
        return z.NEVER;
      }
    })
    .describe(description);
}

/** A repository's name, such as `library/alpine`. */
export const repositoryName = parsed<RepositoryName>(
  parseRepositoryName,
  "A repository, such as library/alpine",
);
/** A tag. */
export const tagName = parsed<Tag>(parseTag, "A tag, such as 2.1.3");
/** A digest. */
export const digestText = parsed<Digest>(parseDigest, "A digest, such as sha256:2c26b4...");

/** A pattern of repositories. */
export const repositoryPattern = parsed<RepositoryPattern>(
  parseRepositoryPattern,
  "Repositories: * stands for one component or a part of one, ** for any number, such as gallery/* or **",
);

/** What a list is asked with: at most `n` items, behind `last`. */
export const pageQuery = {
  n: z.coerce.number().int().min(1).max(1000).default(100).describe("The most items"),
  last: z.string().optional().describe("Begins behind this item: the next of the page before"),
};
