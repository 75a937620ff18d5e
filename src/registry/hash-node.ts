import { createHash, type Hash } from "node:crypto";
import type { DigestAlgorithm } from "../oci/digests.ts";
import type { HashState } from "./hash.ts";

/** Begins a hash with the runtime's own code. Chosen for `#hash-state` by package.json on Bun and Node. */
export function createHashState(algorithm: DigestAlgorithm): HashState {
  return stateOf(createHash(algorithm));
}

function stateOf(hash: Hash): HashState {
  return {
    update: (bytes) => void hash.update(bytes),
    hex: () => hash.digest("hex"),
    copy: () => stateOf(hash.copy()),
  };
}
