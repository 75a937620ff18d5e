import { createHash } from "node:crypto";
import type { DigestAlgorithm } from "../oci/digests.ts";
import type { HashState } from "./hash.ts";

/** Begins a hash with the runtime's own code. Chosen for `#hash-state` by package.json on Bun and Node. */
export function createHashState(algorithm: DigestAlgorithm): HashState {
  const hash = createHash(algorithm);
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest("hex") };
}
