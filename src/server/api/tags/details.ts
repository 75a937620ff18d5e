import type { Digest } from "../../../oci/digests.ts";
import { isIndex, type Manifest, parseManifest } from "../../../oci/manifests.ts";
import type { RepositoryName } from "../../../oci/names.ts";
import { formatPlatform } from "../../../registry/platforms.ts";
import type { ManifestRow } from "../../../store/metadata/manifest-row.ts";
import type { Store } from "../../../store/store.ts";

/** What a manifest weighs and runs on. */
export interface ManifestDetails {
  /** Bytes of all it names, each blob counted once, as stored; the manifests themselves included. */
  readonly size: number;
  /** Such as `linux/amd64`; empty for what is no image. */
  readonly platforms: readonly string[];
}

/** Configs of images are small; what is larger is none. */
const largestConfig = 1024 * 1024;

/** Reads what a manifest and, if it is an index, its children say. */
export async function detailsOf(
  { metadata, registry }: Pick<Store, "metadata" | "registry">,
  repository: RepositoryName,
  row: ManifestRow,
): Promise<ManifestDetails> {
  const sizes = new Map<Digest, number>();
  const platforms: string[] = [];
  const visit = async (digest: Digest, bytes: Uint8Array, manifest: Manifest): Promise<void> => {
    sizes.set(digest, bytes.byteLength);
    if (!isIndex(manifest)) {
      for (const { digest: blob, size } of [manifest.config, ...manifest.layers]) sizes.set(blob, size);
      return;
    }
    for (const child of manifest.manifests) {
      if (child.platform && child.platform.os !== "unknown") platforms.push(formatPlatform(child.platform));
      const found = sizes.has(child.digest)
        ? undefined
        : await metadata.getManifest(repository, child.digest);
      if (found) await visit(child.digest, found.bytes, parseManifest(found.bytes, found.mediaType));
    }
  };
  const manifest = parseManifest(row.bytes, row.mediaType);
  await visit(row.digest, row.bytes, manifest);
  if (!isIndex(manifest) && manifest.config.size <= largestConfig) {
    const { source } = await registry.getBlob(repository, manifest.config.digest);
    if (source.kind === "bytes") platforms.push(...platformIn(source.bytes));
    if (source.kind === "file") platforms.push(...platformIn(await Bun.file(source.path).bytes()));
  }
  const size = [...sizes.values()].reduce((sum, each) => sum + each, 0);
  return { size, platforms: [...new Set(platforms)] };
}

/** The platform that an image's config names; nothing when it is no such config. */
function platformIn(config: Uint8Array): string[] {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(config));
  } catch {
    return []; // an artifact's config may be anything
  }
  if (typeof value !== "object" || value === null || !("os" in value) || !("architecture" in value))
    return [];
  const { os, architecture } = value;
  if (typeof os !== "string" || typeof architecture !== "string") return [];
  const variant = "variant" in value && typeof value.variant === "string" ? value.variant : undefined;
  return [formatPlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) })];
}
