import { algorithmOf, type Digest, isDigest } from "../oci/digests.ts";
import { RegistryError } from "../oci/errors.ts";
import type { Answer } from "./exchanges.ts";
import type { Remote } from "./remote.ts";

/** The digest that a registry tells of what it gives or stored, when that is one that can be verified. */
export function toldDigest({ headers }: Pick<Answer, "headers">): Digest | undefined {
  const told = headers.get("docker-content-digest") ?? "";
  return isDigest(told) ? told : undefined;
}

/**
 * Checks that a registry stored what it was sent. It may tell the digest by another algorithm, or none.
 * @throws RegistryError DIGEST_INVALID
 */
export function checkStored(remote: Remote, digest: Digest, answer: Pick<Answer, "headers">): void {
  const told = toldDigest(answer);
  if (told === undefined || algorithmOf(told) !== algorithmOf(digest) || told === digest) return;
  throw new RegistryError(
    "DIGEST_INVALID",
    `${remote.name} answered that it stored ${told} where ${digest} was sent`,
  );
}
