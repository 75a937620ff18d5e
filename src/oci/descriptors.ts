import type { Digest } from "./digests.ts";

/**
 * What is known of content without having it.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md
 */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly urls?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  /** The content itself, base64. */
  readonly data?: string;
  readonly artifactType?: string;
  readonly platform?: Platform;
}

/** The platform that an image runs on. https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md */
export interface Platform {
  /** As in Go's GOARCH: `amd64`, `arm64`. */
  readonly architecture: string;
  /** As in Go's GOOS: `linux`. */
  readonly os: string;
  /** The CPU's variant, such as `v7` of `arm`. */
  readonly variant?: string;
  readonly "os.version"?: string;
  readonly "os.features"?: readonly string[];
}

/** A blob's descriptor, as a registry knows it: without its media type. */
export function blobDescriptor(digest: Digest, size: number): Descriptor {
  return { mediaType: "application/octet-stream", digest, size };
}
