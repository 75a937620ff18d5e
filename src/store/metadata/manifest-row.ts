import type { Digest } from "../../oci/digests.ts";

/** A manifest as the metadata hold it. */
export interface ManifestRow {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}
