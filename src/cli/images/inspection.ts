import { familiarName, familiarReference } from "../../oci/references.ts";
import { referenceOf } from "./filters.ts";
import type { LocalImage } from "./local-image.ts";

/** What `image inspect` prints of an image, in docker's shape. What docker knows of containers is left out. */
export function inspectionOf({ id, entries, variant, size }: LocalImage): Readonly<Record<string, unknown>> {
  const tags = entries.flatMap((entry) => (entry.tag ? [familiarReference(referenceOf(entry))] : []));
  const digests = entries.map((entry) => `${familiarName(entry)}@${entry.descriptor.digest}`);
  const { config } = variant ?? {};
  const [{ mediaType, digest, size: bytes } = {}] = entries.map(({ descriptor }) => descriptor);
  return {
    Id: id,
    RepoTags: [...new Set(tags)],
    RepoDigests: [...new Set(digests)],
    Parent: "",
    Comment: config?.comment ?? "",
    Created: config?.created ?? "0001-01-01T00:00:00Z",
    DockerVersion: "",
    Author: config?.author ?? "",
    Config: config?.run ?? null,
    Architecture: config?.architecture ?? "",
    Variant: config?.variant || undefined, // left out of JSON, as docker does
    Os: config?.os ?? "",
    Size: size,
    VirtualSize: size,
    RootFS: { Type: "layers", Layers: config?.diffIds ?? [] },
    Metadata: { LastTagTime: "0001-01-01T00:00:00Z" },
    Descriptor: { mediaType, digest, size: bytes },
  };
}
