import { createHashState } from "#hash-state";
import type { Digest, DigestAlgorithm } from "../oci/digests.ts";

/** What a runtime has to offer to compute digests. */
export interface HashState {
  update(bytes: Uint8Array): void;
  /** Lower-case hexadecimal digits; ends the state. */
  hex(): string;
  /** Another state that goes on from here by itself. */
  copy(): HashState;
}

/** A digest that is computed as bytes come. */
export interface Hasher {
  readonly algorithm: DigestAlgorithm;
  update(bytes: Uint8Array): void;
  /** The digest of all that was given; nothing can be added afterwards. */
  digest(): Digest;
  /** The digest of all that was given so far; more can be added. */
  digestSoFar(): Digest;
}

/** Begins a digest. */
export function createHasher(algorithm: DigestAlgorithm): Hasher {
  const state = createHashState(algorithm);
  const digestIn = ({ hex }: HashState) => `${algorithm}:${hex()}` as Digest; // safe: the shape that parseDigest asks for
  return {
    algorithm,
    update: state.update,
    digest: () => digestIn(state),
    digestSoFar: () => digestIn(state.copy()),
  };
}

/** The digest of bytes at hand. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Digest {
  const hasher = createHasher(algorithm);
  hasher.update(bytes);
  return hasher.digest();
}
