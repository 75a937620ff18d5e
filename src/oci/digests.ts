import { quote, RegistryError } from "./errors.ts";

declare const digestBrand: unique symbol;

/**
 * A content digest such as `sha256:e3b0...`, checked by {@link parseDigest}.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests
 */
export type Digest = string & { readonly [digestBrand]: true };

/** The digest algorithms that Berth stores and verifies. */
export type DigestAlgorithm = "sha256" | "sha512";

/** Length of the encoded part (lower-case hexadecimal digits), by algorithm. */
export const encodedLength: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };

// As the specification has it, with upper-case letters too, so that a message can name the algorithm.
const shape = /^[a-zA-Z0-9]+(?:[+._-][a-zA-Z0-9]+)*:[a-zA-Z0-9=_-]+$/;
const supported = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** Whether `text` is a digest that {@link parseDigest} takes. */
export function isDigest(text: string): text is Digest {
  return supported.test(text);
}

/**
 * Parses a digest.
 * @throws RegistryError DIGEST_INVALID when it is malformed or its algorithm is not sha256 or sha512
 */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  if (!shape.test(text)) {
    throw new RegistryError(
      "DIGEST_INVALID",
      `${quote(text)} is not a digest: expected sha256:<64 hex digits>`,
    );
  }
  const algorithm = text.slice(0, text.indexOf(":"));
  if (!isDigestAlgorithm(algorithm)) {
    throw new RegistryError(
      "DIGEST_INVALID",
      `digest algorithm ${quote(algorithm)} is not supported: use sha256 or sha512`,
    );
  }
  throw new RegistryError(
    "DIGEST_INVALID",
    `${quote(text)} is not a ${algorithm} digest: expected ${encodedLength[algorithm]} lower-case hexadecimal digits`,
  );
}

/** Whether `text` names a supported algorithm. */
export function isDigestAlgorithm(text: string): text is DigestAlgorithm {
  return text === "sha256" || text === "sha512";
}

/**
 * Parses the name of a digest algorithm.
 * @throws RegistryError DIGEST_INVALID when it is not sha256 or sha512
 */
export function parseDigestAlgorithm(text: string): DigestAlgorithm {
  if (isDigestAlgorithm(text)) return text;
  throw new RegistryError(
    "DIGEST_INVALID",
    `digest algorithm ${quote(text)} is not supported: use sha256 or sha512`,
  );
}

/** The algorithm of a digest. */
export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.startsWith("sha256:") ? "sha256" : "sha512";
}

/** What follows the algorithm and the colon: lower-case hexadecimal digits. */
export function encodedOf(digest: Digest): string {
  return digest.slice(7); // both algorithm names have six letters
}
