import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import type { DigestAlgorithm } from "../oci/digests.ts";
import type { HashState } from "./hash.ts";

/**
 * Begins a hash in plain JavaScript. Chosen for `#hash-state` by package.json in browsers, whose own SubtleCrypto
 * takes only whole messages.
 */
export function createHashState(algorithm: DigestAlgorithm): HashState {
  return stateOf((algorithm === "sha256" ? sha256 : sha512).create());
}

interface NobleHash {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
  clone(): NobleHash;
}

function stateOf(hash: NobleHash): HashState {
  return {
    update: (bytes) => void hash.update(bytes),
    hex: () => bytesToHex(hash.digest()),
    copy: () => stateOf(hash.clone()),
  };
}
