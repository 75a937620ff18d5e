import type { Descriptor } from "../../oci/descriptors.ts";
import type { Digest } from "../../oci/digests.ts";

/** A blob's descriptor, as a registry knows it: without its media type. */
export function blobDescriptor(digest: Digest, size: number): Descriptor {
  return { mediaType: "application/octet-stream", digest, size };
}
