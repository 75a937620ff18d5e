import type { Descriptor, Platform } from "../oci/descriptors.ts";
import { algorithmOf } from "../oci/digests.ts";
import { RegistryError } from "../oci/errors.ts";
import type { Index } from "../oci/manifests.ts";
import { digestOf } from "./hash.ts";
import type { StoredManifest } from "./registry.ts";

/** What is left of an index when some of its platforms are chosen. */
export type PlatformChoice =
  | { readonly kind: "all" }
  | { readonly kind: "one"; readonly child: Descriptor }
  | { readonly kind: "some"; readonly index: StoredManifest };

/** A platform as people write it: `linux/arm/v7`. */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return `${os}/${architecture}${variant ? `/${variant}` : ""}`;
}

/**
 * The place of the platform among `offered` that `wanted` means: its equal if there is one, otherwise the first with
 * everything that `wanted` names, so that `linux/arm` is `linux/arm/v7` before it is `linux/arm/v6`.
 */
export function findPlatform(
  offered: readonly (Platform | undefined)[],
  wanted: Platform,
): number | undefined {
  const satisfying = [...offered.keys()].filter((at) => satisfies(offered[at], wanted));
  const equal = satisfying.find((at) => variantOf(offered[at]) === variantOf(wanted));
  return equal ?? (wanted.variant ? undefined : satisfying[0]);
}

function satisfies(offered: Platform | undefined, wanted: Platform): boolean {
  if (offered?.os !== wanted.os || offered.architecture !== wanted.architecture) return false;
  const version = wanted["os.version"];
  const found = offered["os.version"] ?? "";
  if (version && found !== version && !found.startsWith(`${version}.`)) return false;
  return (wanted["os.features"] ?? []).every((feature) => offered["os.features"]?.includes(feature));
}

/** The variant, where that which everybody means may be left out. */
function variantOf(platform: Platform | undefined): string {
  const variant = platform?.variant ?? "";
  if (platform?.architecture === "arm64" && variant === "v8") return "";
  if (platform?.architecture === "amd64" && variant === "v1") return "";
  return platform?.architecture === "arm" && variant === "" ? "v7" : variant;
}

/**
 * Chooses platforms from an index. One child alone stands for itself; several become a new index, the old one with
 * the other children left out and everything else kept, so that choosing the same again gives the same digest. What
 * BuildKit attests of a chosen child is chosen with it.
 * @throws RegistryError MANIFEST_UNKNOWN naming the platforms that are there
 */
export function choosePlatforms(
  stored: StoredManifest,
  { manifests }: Index,
  wanted: readonly Platform[],
): PlatformChoice {
  const offered = manifests.map(({ platform }) => platform);
  const chosen = new Set<string>();
  for (const platform of wanted) {
    const child = manifests[findPlatform(offered, platform) ?? -1];
    if (!child) throw missingPlatform(stored.descriptor, platform, offered);
    chosen.add(child.digest);
  }
  const first = manifests.find(({ digest }) => chosen.has(digest));
  if (first && chosen.size === 1) return { kind: "one", child: first };
  const kept = manifests.map((child) => chosen.has(child.digest) || chosen.has(attestedBy(child)));
  return kept.every(Boolean) ? { kind: "all" } : { kind: "some", index: withChildren(stored, kept) };
}

/** The error of a manifest that is not, or does not have, a platform. */
export function missingPlatform(
  { digest }: Descriptor,
  wanted: Platform,
  offered: readonly (Platform | undefined)[],
): RegistryError {
  const names = offered.flatMap((platform) =>
    platform && platform.os !== "unknown" ? [formatPlatform(platform)] : [],
  );
  const found = names.length > 0 ? `it has ${[...new Set(names)].join(", ")}` : "it names no platforms";
  return new RegistryError(
    "MANIFEST_UNKNOWN",
    `manifest ${digest} has no platform ${formatPlatform(wanted)}: ${found}`,
  );
}

// https://github.com/moby/buildkit/blob/v0.20.0/docs/attestations/attestation-storage.md
function attestedBy({ annotations }: Descriptor): string {
  return annotations?.["vnd.docker.reference.digest"] ?? "";
}

function withChildren({ descriptor, bytes }: StoredManifest, kept: readonly boolean[]): StoredManifest {
  const whole: { manifests: unknown[] } = JSON.parse(new TextDecoder().decode(bytes)); // parsed as an index before
  const made = { ...whole, manifests: whole.manifests.filter((_, at) => kept[at]) };
  const madeBytes = new TextEncoder().encode(JSON.stringify(made));
  const digest = digestOf(madeBytes, algorithmOf(descriptor.digest));
  return {
    descriptor: { mediaType: descriptor.mediaType, digest, size: madeBytes.byteLength },
    bytes: madeBytes,
  };
}
